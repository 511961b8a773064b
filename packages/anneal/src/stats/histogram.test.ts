import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { geometricMeanUs, Histogram, meanUs, mergeHistograms, quantileUs, shareBelow } from './histogram.ts';

function recorded(values: readonly number[]) {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram.toData();
}

const latencies = fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 1, maxLength: 200 });

describe('a histogram of microseconds', () => {
  test('knows what the typical value is where a few are far beyond the others', () => {
    const ordinary = Array.from({ length: 19 }, () => 5_000);
    expect(geometricMeanUs(recorded(ordinary))).toBeCloseTo(5_000, -2);
    // One that waited 200 ms behind something else triples the plain mean.
    const values = recorded([...ordinary, 200_000]);
    expect(meanUs(values)).toBeGreaterThan(14_000);
    expect(geometricMeanUs(values) / 5_000).toBeCloseTo(40 ** (1 / 20), 1);
    expect(geometricMeanUs(recorded([]))).toBe(0);
    expect(geometricMeanUs(recorded([0, 0]))).toBe(1);
  });

  test('a quantile lies within one bucket of the value that has its rank', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const sorted = [...values].sort((one, other) => one - other);
        const exact = sorted[Math.max(Math.ceil(q * values.length) - 1, 0)]!;
        // Seven bits of precision: a bucket is at most 1/128 of its value wide, and at least one microsecond.
        expect(Math.abs(quantileUs(recorded(values), q) - exact)).toBeLessThanOrEqual(Math.max(1, exact / 128));
      }),
    );
  });

  test('histograms of parts add up to the histogram of the whole', () => {
    fc.assert(
      fc.property(latencies, latencies, (one, other) => {
        expect(mergeHistograms([recorded(one), recorded(other)])).toEqual(recorded([...one, ...other]));
      }),
    );
  });

  test('the mean is exact, whatever the buckets', () => {
    expect(meanUs(recorded([1, 10, 100_001]))).toBeCloseTo(100_012 / 3, 9);
  });

  test('the share below grows from none to all', () => {
    fc.assert(
      fc.property(latencies, fc.integer({ min: 0, max: 5_000_000 }), (values, at) => {
        const histogram = recorded(values);
        const share = shareBelow(histogram, at);
        expect(share).toBeLessThanOrEqual(shareBelow(histogram, at + 1000) + 1e-12);
        expect(shareBelow(histogram, 20_000_000)).toBe(1);
        const exactly = values.filter((value) => value <= at).length / values.length;
        const nearby = values.filter((value) => Math.abs(value - at) <= Math.max(1, at / 64)).length / values.length;
        expect(Math.abs(share - exactly)).toBeLessThanOrEqual(nearby + 1e-12);
      }),
    );
  });

  test('an empty histogram says 0 and is what nothing merges to', () => {
    const empty = mergeHistograms([]);
    expect([quantileUs(empty, 0.99), meanUs(empty), shareBelow(empty, 10)]).toEqual([0, 0, 0]);
  });
});
