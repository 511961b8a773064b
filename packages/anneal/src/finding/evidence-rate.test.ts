import { expect, test } from 'vitest';
import { certainShare } from './evidence-rate.ts';

test('of a cost seen once a fortieth is certain, of one seen a hundred times four fifths', () => {
  expect(certainShare(1, 1)).toBeCloseTo(0.0253, 3);
  expect(certainShare(1, 100)).toBeCloseTo(0.8136, 3);
  expect(certainShare(0.5, 100)).toBeCloseTo(0.4068, 3);
});

test('nothing is certain of what was not seen, and estimates of a count are rounded down', () => {
  expect(certainShare(0.4, 0)).toBe(0);
  expect(certainShare(0.4, 0.7)).toBe(0);
  expect(certainShare(0.4, 7.9)).toBe(certainShare(0.4, 7));
});
