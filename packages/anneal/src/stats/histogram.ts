import { bucketRange, Histogram, type HistogramData } from '@anneal/agent/histogram';

export { Histogram, type HistogramData };

/** Quantile `q` (0-1) in microseconds, interpolated inside its bucket; 0 for an empty histogram. */
export function quantileUs(histogram: HistogramData, q: number): number {
  if (histogram.count === 0) return 0;
  const rank = q * histogram.count;
  let below = 0;
  for (const [bucket, times] of histogram.buckets) {
    if (below + times >= rank) {
      const { lower, width } = bucketRange(bucket, histogram.precisionBits);
      const inside = lower + (width * Math.max(rank - below, 0)) / times;
      return Math.min(Math.max(inside, histogram.min), histogram.max);
    }
    below += times;
  }
  return histogram.max;
}

export function meanUs(histogram: HistogramData): number {
  return histogram.count === 0 ? 0 : histogram.sum / histogram.count;
}

/**
 * The mean of their logarithms, as a time: what the typical one takes, which a few that waited behind something else do not
 * move. By buckets, so to their precision; of an empty histogram 0.
 */
export function geometricMeanUs({ count, buckets, precisionBits }: HistogramData): number {
  if (count === 0) return 0;
  const logarithm = (bucket: number) => {
    const { lower, width } = bucketRange(bucket, precisionBits);
    return Math.log(Math.max(lower + width / 2, 1));
  };
  return Math.exp(buckets.reduce((sum, [bucket, times]) => sum + times * logarithm(bucket), 0) / count);
}

/** Adds histograms of equal precision. No histograms give an empty one. */
export function mergeHistograms(histograms: readonly HistogramData[]): HistogramData {
  const merged = new Histogram(histograms[0]?.precisionBits);
  for (const histogram of histograms) merged.merge(histogram);
  return merged.toData();
}

/** Share of values at or below `valueUs`, 0-1. */
export function shareBelow(histogram: HistogramData, valueUs: number): number {
  if (histogram.count === 0) return 0;
  let below = 0;
  for (const [bucket, times] of histogram.buckets) {
    const { lower, width } = bucketRange(bucket, histogram.precisionBits);
    if (lower + width <= valueUs) below += times;
    else if (lower <= valueUs) below += (times * (valueUs - lower)) / width;
  }
  return below / histogram.count;
}
