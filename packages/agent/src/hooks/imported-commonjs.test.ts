import { expect, test } from 'vitest';
import { misloadsImported } from './imported-commonjs.ts';

test.each([
  ['22.19.0', true],
  ['22.22.2', true],
  ['22.22.3', false],
  ['22.23.0', false],
  ['23.11.1', true],
  ['24.0.0', true],
  ['24.12.0', true],
  ['24.13.0', false],
  ['25.0.0', true],
  ['26.0.0', false],
])('imported CommonJS is loaded by require in Node %s: %s', (version, misloads) => {
  expect(misloadsImported(version)).toBe(misloads);
});
