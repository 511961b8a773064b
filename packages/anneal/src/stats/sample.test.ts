import { describe, expect, test } from 'vitest';
import { mean, median, medianAbsoluteDeviation, quantile, standardDeviation } from './sample.ts';

const values = [0.13, -0.07, 0.22, 0.05, -0.11, 0.31, 0.18, -0.02, 0.27, 0.09];

describe('figures of one sample', () => {
  test('R quantile(values, c(0.25, 0.9), type = 7) is -0.0025 and 0.274', () => {
    expect(quantile(values, 0.25)).toBeCloseTo(-0.0025, 12);
    expect(quantile(values, 0.9)).toBeCloseTo(0.274, 12);
  });

  test('R sd(values) is 0.1431588 and mad(values) is the scaled median distance from the median', () => {
    expect(standardDeviation(values)).toBeCloseTo(0.14315880847661608, 12);
    // Distances from 0.11: 0.02, 0.18, 0.11, 0.06, 0.22, 0.20, 0.07, 0.13, 0.16, 0.02; the middle two are 0.11 and 0.13.
    expect(medianAbsoluteDeviation(values)).toBeCloseTo(1.4826 * 0.12, 12);
  });

  test('one wild value moves the mean and not the median', () => {
    expect(median([...values, 1000])).toBeCloseTo(0.13, 12);
    expect(mean([...values, 1000])).toBeGreaterThan(90);
  });

  test('the ends are quantiles 0 and 1', () => {
    expect(quantile(values, 0)).toBe(-0.11);
    expect(quantile(values, 1)).toBe(0.31);
  });

  test('an empty sample has no figures', () => {
    expect(mean([])).toBeNaN();
    expect(median([])).toBeNaN();
    expect(standardDeviation([3])).toBeNaN();
  });
});
