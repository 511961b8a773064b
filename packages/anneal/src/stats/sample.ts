/** Figures of one sample. All of them are NaN for an empty one: nothing was seen, so nothing is said. */

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Quantile `q` (0-1) with linear interpolation between neighbours (R: `quantile(values, q, type = 7)`). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** With the n - 1 of an unbiased variance (R: `sd(values)`); NaN for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/**
 * Median absolute deviation, scaled so that it estimates the standard deviation of normal noise
 * (R: `mad(values)`). Half of the values may be arbitrarily wrong before it is.
 */
export function medianAbsoluteDeviation(values: readonly number[]): number {
  const centre = median(values);
  return 1.4826 * median(values.map((value) => Math.abs(value - centre)));
}
