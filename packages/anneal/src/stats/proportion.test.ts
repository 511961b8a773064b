import { describe, expect, test } from 'vitest';
import { designEffect, shareDifference, totalOf } from './proportion.ts';
import { seededRandom } from './random.ts';

describe('the difference of two error rates', () => {
  test('Newcombe 1998, table II, method 10: 56/70 against 48/80 is 0.2000, from 0.0524 to 0.3339', () => {
    const { point, lower, upper } = shareDifference({ events: 48, trials: 80 }, { events: 56, trials: 70 }, 0.95);
    expect(point).toBeCloseTo(0.2, 4);
    expect(lower).toBeCloseTo(0.0524, 4);
    expect(upper).toBeCloseTo(0.3339, 4);
  });

  test('Newcombe 1998, table II, method 10: 10/10 against 0/20 is 1, from 0.6791 to 1', () => {
    const { lower, upper } = shareDifference({ events: 0, trials: 20 }, { events: 10, trials: 10 }, 0.95);
    expect(lower).toBeCloseTo(0.6791, 4);
    expect(upper).toBeCloseTo(1, 4);
  });

  test("no errors on either side still leaves what scipy binomtest(0, 6000).proportion_ci(0.95, 'wilson') leaves: 0.00064", () => {
    const { point, upper } = shareDifference({ events: 0, trials: 6000 }, { events: 0, trials: 6000 }, 0.95);
    expect(point).toBe(0);
    expect(upper).toBeCloseTo(0.0006398334877831175, 10);
  });
});

describe('errors that come in bursts', () => {
  test('one bad slice of twenty weighs as one slice, not as its hundred failures', () => {
    const slices = Array.from({ length: 20 }, (_, index) => ({ events: index === 0 ? 100 : 0, trials: 200 }));
    const { events, trials } = totalOf(slices);
    expect(events / designEffect(slices)).toBeLessThan(1.1);
    expect(trials / designEffect(slices)).toBeLessThan(45);
  });

  test('evenly spread errors, and none, keep every request', () => {
    expect(designEffect(Array.from({ length: 20 }, () => ({ events: 2, trials: 200 })))).toBe(1);
    expect(designEffect(Array.from({ length: 20 }, () => ({ events: 0, trials: 200 })))).toBe(1);
  });

  test('independent errors have a design effect near 1', () => {
    const random = seededRandom(21);
    const slices = Array.from({ length: 400 }, () => ({
      events: Array.from({ length: 200 }, () => random.next()).filter((draw) => draw < 0.05).length,
      trials: 200,
    }));
    // The variance ratio of 400 slices has a standard deviation of sqrt(2 / 399) = 0.07.
    expect(designEffect(slices)).toBeLessThan(1.28);
  });
});
