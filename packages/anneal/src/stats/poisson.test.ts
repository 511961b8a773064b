import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { poissonRateInterval } from './poisson.ts';
import { seededRandom, type Random } from './random.ts';

describe('the exact interval of a count', () => {
  test.each([
    [0, 0.95, 0, 3.6888794541139354],
    [1, 0.95, 0.025317807984289897, 5.571643390938898],
    [3, 0.95, 0.6186721228956015, 8.767273069742323],
    [10, 0.95, 4.7953886961324335, 18.39035604201778],
    [10, 0.99, 3.716922131467116, 21.397827499654273],
    [100, 0.95, 81.36399125092315, 121.62679379242638],
    [1000, 0.99, 920.4240461633592, 1084.3728680643892],
  ])('%i events at %d: R qchisq(c(a/2, 1-a/2), c(2*n, 2*n+2))/2 gives %d to %d', (count, level, lower, upper) => {
    const interval = poissonRateInterval(count, level);
    expect(interval.lower).toBeCloseTo(lower, 8);
    expect(interval.upper).toBeCloseTo(upper, 8);
  });

  test('it holds its count and narrows relative to it as the count grows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0.5, max: 0.999, noNaN: true }), (count, level) => {
        const { lower, upper } = poissonRateInterval(count, level);
        const twice = poissonRateInterval(count * 2, level);
        expect(lower).toBeLessThan(count);
        expect(upper).toBeGreaterThan(count);
        expect(twice.upper / twice.lower).toBeLessThan(upper / lower);
      }),
      { numRuns: 200 },
    );
  });

  test('it covers the true mean at least as often as it says, over 2,000 seeded windows', () => {
    const random = seededRandom(11);
    const mean = 4.2;
    let covered = 0;
    for (let window = 0; window < 2000; window += 1) {
      const { lower, upper } = poissonRateInterval(poissonDraw(mean, random), 0.95);
      if (lower <= mean && mean <= upper) covered += 1;
    }
    // Exact means conservative: 95 % less three binomial standard errors is the floor.
    expect(covered / 2000).toBeGreaterThan(0.95 - 3 * Math.sqrt((0.95 * 0.05) / 2000));
  });

  test('a count that is not one is refused', () => {
    expect(() => poissonRateInterval(-1, 0.95)).toThrow(RangeError);
    expect(() => poissonRateInterval(1.5, 0.95)).toThrow(RangeError);
  });
});

/** Knuth's multiplication method (The Art of Computer Programming, volume 2, section 3.4.1). */
function poissonDraw(mean: number, random: Random): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count += 1;
  return count;
}
