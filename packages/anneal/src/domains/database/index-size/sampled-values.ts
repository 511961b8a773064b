import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import { arrayElements } from './sql-lists.ts';

/** The column's values that its statistics hold: the common ones, and the bounds of the histogram, which are a fair sample of the rest. */
export interface SampledValue {
  readonly text: string;
  /** Of all rows that are not NULL. */
  readonly share: number;
  /** A most common value, which stands for itself; otherwise one of a sample, which stands for others too. */
  readonly isCommon: boolean;
}

export function sampledValues(statistics: ColumnStatistics | null): readonly SampledValue[] {
  if (statistics === null) return [];
  const frequencies = statistics.mostCommonFrequencies ?? [];
  const common = arrayElements(statistics.mostCommonValues);
  const bounds = arrayElements(statistics.histogramBounds);
  if (common.length !== frequencies.length) return [];
  const restShare = Math.max(0, 1 - statistics.nullShare - frequencies.reduce((sum, share) => sum + share, 0));
  const weighed = [
    ...common.map((text, at) => ({ text, share: frequencies[at]!, isCommon: true })),
    ...bounds.map((text) => ({ text, share: restShare / bounds.length, isCommon: false })),
  ];
  const total = weighed.reduce((sum, { share }) => sum + share, 0);
  return total <= 0 ? [] : weighed.map((value) => ({ ...value, share: value.share / total }));
}

/**
 * Statistics of a function of a column, made from the sampled values; null where the function is not defined. The number of distinct
 * values is Haas and Stokes' Duj1 estimate, the same that ANALYZE makes of its own, far larger, sample.
 */
export function derivedStatistics(
  statistics: ColumnStatistics | null,
  rows: number,
  of: (text: string) => string | null,
): ColumnStatistics | null {
  const samples = sampledValues(statistics);
  if (samples.length < 20) return null;
  const shares = new Map<string, { share: number; times: number }>();
  let missing = 0;
  for (const { text, share, isCommon } of samples) {
    const value = of(text);
    if (value === null) missing += share;
    else {
      const known = shares.get(value);
      shares.set(value, { share: (known?.share ?? 0) + share, times: (known?.times ?? 0) + (isCommon ? Number.POSITIVE_INFINITY : 1) });
    }
  }
  const present = 1 - (statistics?.nullShare ?? 0);
  const entries = [...shares];
  const once = entries.filter(([, { times }]) => times === 1).length;
  const sampled = samples.length;
  const distinct = Math.min(rows, (sampled * entries.length) / (sampled - once + (once * sampled) / Math.max(rows, sampled)));
  const isComplete = once === 0;
  const common = entries.filter(([, { times }]) => isComplete || times > 1).sort((a, b) => b[1].share - a[1].share);
  return {
    inherited: false,
    nullShare: 1 - present * (1 - missing),
    averageWidthBytes:
      entries.reduce((sum, [text, { share }]) => sum + (Buffer.byteLength(text) + 1) * share, 0) / Math.max(1 - missing, 1e-9),
    distinct: distinct > 0.1 * rows ? -distinct / rows : Math.max(1, Math.round(distinct)),
    correlation: null,
    mostCommonValues: arrayText(common.map(([text]) => text)),
    mostCommonFrequencies: common.map(([, { share }]) => share * present),
    histogramBounds: arrayText(isComplete ? [] : entries.filter(([, { times }]) => times === 1).map(([text]) => text)),
    mostCommonElements: null,
    mostCommonElementFrequencies: null,
    elementCountHistogram: null,
  };
}

function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/gu, '\\$&')}"`).join(',')}}`;
}
