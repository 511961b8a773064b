import type { Estimate } from './estimate.ts';
import type { Random } from './random.ts';
import { quantile } from './sample.ts';

/**
 * Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13): for
 * figures without a formula for their interval. The values must be independent of each other; slices
 * are, requests of one slice are not. 2,000 resamples place a 95 % end within about 0.5 % of coverage.
 */
export function bootstrapInterval(
  values: readonly number[],
  statistic: (sample: readonly number[]) => number,
  confidenceLevel: number,
  random: Random,
  resamples = 2000,
): Estimate {
  if (values.length === 0) throw new RangeError('an empty sample cannot be resampled');
  const figures = Array.from({ length: resamples }, () => statistic(values.map(() => values[random.integer(0, values.length - 1)]!)));
  const tail = (1 - confidenceLevel) / 2;
  return { point: statistic(values), lower: quantile(figures, tail), upper: quantile(figures, 1 - tail), confidenceLevel };
}
