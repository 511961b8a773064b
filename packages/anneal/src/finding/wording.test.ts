import { expect, test } from 'vitest';
import { bytes, milliseconds, percent, quantity } from './wording.ts';

test('numbers are said with three significant digits and a fitting unit', () => {
  expect(percent(0.12345)).toBe('12.3 %');
  expect(percent(0.001234)).toBe('0.123 %');
  expect(percent(0)).toBe('0 %');
  expect(milliseconds(0.0421)).toBe('42.1 µs');
  expect(milliseconds(3)).toBe('3 ms');
  expect(milliseconds(45_678)).toBe('45.7 s');
  expect(bytes(999)).toBe('999 B');
  expect(bytes(1_234_567)).toBe('1.23 MB');
  expect(bytes(25_277e6)).toBe('25.3 GB');
  expect(quantity(20_000)).toBe('20,000');
});
