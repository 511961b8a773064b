import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { heavyDraw } from './fixtures/noise.ts';
import { normalQuantile } from './normal.ts';
import { seededRandom } from './random.ts';
import { hodgesLehmannEstimate, signedRankTest, smallestSignedRankP } from './signed-rank.ts';

const ten = [0.13, -0.07, 0.22, 0.05, -0.11, 0.31, 0.18, -0.02, 0.27, 0.09];
const tied = [1, -1, 2, 2, -3, 4, 4, 4, 0, 5];
const seventy = Array.from({ length: 70 }, (_, index) => ((((index + 1) * 37) % 71) - 30) / 10);

describe('the signed-rank test', () => {
  test("scipy wilcoxon(ten, method='exact'): W+ = 46, p = 0.064453125", () => {
    expect(signedRankTest(ten)).toEqual({ pairs: 10, statistic: 46, less: 0.9755859375, greater: 0.0322265625, twoSided: 0.064453125 });
  });

  test('scipy wilcoxon(tied, method=PermutationMethod(n_resamples=1e9)): zero dropped, W+ = 38.5, p = 0.05859375', () => {
    expect(signedRankTest(tied)).toEqual({ pairs: 9, statistic: 38.5, less: 0.978515625, greater: 0.029296875, twoSided: 0.05859375 });
  });

  test("scipy wilcoxon(seventy, method='approx', correction=True): W+ = 1559.5, p = 0.03557642, tie and zero corrected", () => {
    const result = signedRankTest(seventy);
    expect(result.pairs).toBe(69);
    expect(result.statistic).toBe(1559.5);
    expect(result.twoSided).toBeCloseTo(0.03557642407333864, 9);
    expect(result.greater).toBeCloseTo(0.01778821203666932, 9);
  });

  test('no difference at all is no evidence', () => {
    expect(signedRankTest([0, 0, 0]).twoSided).toBe(1);
    expect(signedRankTest([]).twoSided).toBe(1);
  });

  test('all of one sign gives the smallest p-value there is for that many pairs', () => {
    for (const pairs of [1, 6, 8, 20]) {
      const positive = Array.from({ length: pairs }, (_, index) => index + 0.5);
      expect(signedRankTest(positive).twoSided).toBeCloseTo(smallestSignedRankP(pairs), 12);
    }
    expect(smallestSignedRankP(6)).toBe(0.03125);
  });

  test('swapping the arms swaps the tails', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 25 }), (differences) => {
        const swapped = signedRankTest(differences.map((difference) => -difference));
        const straight = signedRankTest(differences);
        expect(swapped.less).toBeCloseTo(straight.greater, 12);
        expect(swapped.greater).toBeCloseTo(straight.less, 12);
      }),
    );
  });

  test('exact and normal p-values meet where the exact distribution ends', () => {
    const random = seededRandom(5);
    const sample = Array.from({ length: 61 }, () => normalQuantile(random.next()) + 0.25);
    const exact = signedRankTest(sample.slice(0, 60)).twoSided;
    const normal = signedRankTest(sample).twoSided;
    expect(Math.abs(Math.log(exact / normal))).toBeLessThan(0.5);
  });
});

describe("Hodges and Lehmann's estimate", () => {
  test('R wilcox.test(ten, conf.int = TRUE, exact = TRUE): (pseudo)median 0.1, 95 % from -0.01 to 0.22', () => {
    const estimate = hodgesLehmannEstimate(ten, 0.95);
    expect(estimate.point).toBeCloseTo(0.1, 12);
    expect(estimate.lower).toBeCloseTo(-0.01, 12);
    expect(estimate.upper).toBeCloseTo(0.22, 12);
    expect(estimate.confidenceLevel).toBe(0.95);
  });

  test('R qsignrank(0.0071, 10) = 5: the interval at 0.9858 leaves out four Walsh averages at each end', () => {
    const estimate = hodgesLehmannEstimate(ten, 1 - 0.0142);
    expect(estimate.lower).toBeCloseTo(-0.045, 12);
    expect(estimate.upper).toBeCloseTo(0.245, 12);
  });

  test('too few differences for the level: the widest interval, and the level it really has', () => {
    expect(hodgesLehmannEstimate([0.1, 0.2, 0.3, 0.4, 0.5], 0.95)).toEqual({
      point: 0.3,
      lower: 0.1,
      upper: 0.5,
      confidenceLevel: 1 - 0.0625,
    });
    expect(hodgesLehmannEstimate([], 0.95).confidenceLevel).toBe(0);
    expect(hodgesLehmannEstimate([0.1], 0.95).confidenceLevel).toBe(0);
  });

  test('the interval holds exactly the shifts that the test does not reject', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 6, max: 25 }), (seed, pairs) => {
        // Drawn, not generated: ties and zeros change the exact distribution, so duality is a statement about continuous data.
        const random = seededRandom(seed);
        const differences = Array.from({ length: pairs }, () => heavyDraw(random));
        const { lower, upper } = hodgesLehmannEstimate(differences, 0.95);
        for (const shift of [lower - 1e-9, lower + 1e-9, upper - 1e-9, upper + 1e-9, 3 * (random.next() - 0.5)]) {
          const test = signedRankTest(differences.map((difference) => difference - shift));
          expect(test.twoSided > 0.05).toBe(lower < shift && shift < upper);
        }
      }),
    );
  });

  test('it moves and scales with the differences', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 6, maxLength: 40 }),
        fc.integer({ min: -50, max: 50 }),
        (sample, shift) => {
          const straight = hodgesLehmannEstimate(sample, 0.9);
          const moved = hodgesLehmannEstimate(
            sample.map((value) => 2 * value + shift),
            0.9,
          );
          expect(moved.point).toBeCloseTo(2 * straight.point + shift, 9);
          expect(moved.lower).toBeCloseTo(2 * straight.lower + shift, 9);
          expect(moved.upper).toBeCloseTo(2 * straight.upper + shift, 9);
        },
      ),
    );
  });

  test.each([10, 20, 80])('over 2,000 seeded samples of %i rounds it covers the true shift as often as it says', (rounds) => {
    const random = seededRandom(2024, `coverage/${rounds}`);
    let covered = 0;
    for (let sample = 0; sample < 2000; sample += 1) {
      // Student's t with two degrees of freedom: heavier tails than any latency quantile should have.
      const differences = Array.from({ length: rounds }, () => 0.3 + heavyDraw(random));
      const { lower, upper } = hodgesLehmannEstimate(differences, 0.95);
      if (lower <= 0.3 && 0.3 <= upper) covered += 1;
    }
    // The level is at least 0.95 by steps of the discrete statistic: at ten rounds exactly 1 - 2 * 25/1024 = 0.9512.
    expect(Math.abs(covered / 2000 - 0.95)).toBeLessThan(4 * Math.sqrt((0.95 * 0.05) / 2000));
  });
});
