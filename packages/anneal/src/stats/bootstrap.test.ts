import { expect, test } from 'vitest';
import { bootstrapInterval } from './bootstrap.ts';
import { seededRandom } from './random.ts';
import { mean } from './sample.ts';

const values = Array.from({ length: 200 }, (_, index) => index);

test('the bootstrap of a mean agrees with the normal theory of a mean', () => {
  const { point, lower, upper } = bootstrapInterval(values, mean, 0.95, seededRandom(1));
  // Mean 99.5, standard error sqrt((200^2 - 1) / 12 / 200) = 4.08, so 1.96 of them to each side.
  expect(point).toBe(99.5);
  expect(Math.abs(lower - (99.5 - 8))).toBeLessThan(1);
  expect(Math.abs(upper - (99.5 + 8))).toBeLessThan(1);
});

test('the same seed draws the same interval, another seed another', () => {
  expect(bootstrapInterval(values, mean, 0.95, seededRandom(3))).toEqual(bootstrapInterval(values, mean, 0.95, seededRandom(3)));
  expect(bootstrapInterval(values, mean, 0.95, seededRandom(3))).not.toEqual(bootstrapInterval(values, mean, 0.95, seededRandom(4)));
});

test('nothing cannot be resampled', () => {
  expect(() => bootstrapInterval([], mean, 0.95, seededRandom(1))).toThrow(RangeError);
});
