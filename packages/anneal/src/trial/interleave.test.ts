import { describe, expect, test } from 'vitest';
import { Histogram } from '../stats/histogram.ts';
import type { LoadResult } from '../workload/load-result.ts';
import { judgeRound, planRound } from './interleave.ts';

describe('the order of rounds', () => {
  const orders = (seed: number, count = 2000) => Array.from({ length: count }, (_, index) => planRound(seed, index).first);

  test('is the same for the same seed and differs for another', () => {
    expect(orders(5, 40)).toEqual(orders(5, 40));
    expect(orders(5, 40)).not.toEqual(orders(6, 40));
  });

  test('lets each arm go first once in every two rounds', () => {
    const first = orders(9);
    for (let index = 0; index < first.length; index += 2) expect(first[index]).not.toBe(first[index + 1]);
  });

  test('cannot be foretold from one pair of rounds to the next', () => {
    const leads = orders(9).filter((_, index) => index % 2 === 0);
    const repeats = leads.filter((lead, index) => lead === leads[index + 1]).length;
    // 999 fair coins: five standard deviations are 79.
    expect(Math.abs(repeats - 499.5)).toBeLessThan(79);
    expect(Math.abs(leads.filter((lead) => lead === 'baseline').length - 500)).toBeLessThan(79);
  });

  test('gives every round arrivals of its own, and both its slices the same', () => {
    const seeds = new Set(Array.from({ length: 200 }, (_, index) => planRound(3, index).arrivalSeed));
    expect(seeds.size).toBe(200);
  });
});

describe('a round is kept', () => {
  test('when the generator kept its schedule on both arms', () => {
    expect(judgeRound(loadOf({ lagMs: 1 }), loadOf({ lagMs: 2 }))).toEqual({ dropped: [], late: [] });
  });

  test('whatever the target did: failing and slow answers are a result, not a reason', () => {
    expect(judgeRound(loadOf({ lagMs: 1 }), { ...loadOf({ lagMs: 1, serviceMs: 4000 }), failedRequests: 90 })).toEqual({
      dropped: [],
      late: [],
    });
  });

  test('unless either slice was invalid, and then it says which', () => {
    const invalid = { ...loadOf({}), validity: { valid: false, problems: ['the generator used 90 % of a core'], timingProblems: [] } };
    expect(judgeRound(loadOf({}), invalid).dropped).toEqual(['candidate: the generator used 90 % of a core']);
    expect(judgeRound(invalid, invalid).dropped).toHaveLength(2);
  });

  test('but for its latencies, when the generator was late on either side', () => {
    expect(judgeRound(loadOf({ lagMs: 9 }), loadOf({ lagMs: 1 }))).toEqual({
      dropped: [],
      late: ['baseline: send lag p99 9.0 ms exceeds 5.0 ms'],
    });
  });

  test('but for its latencies, when the machine was taken away', () => {
    const stolen = { ...loadOf({}), validity: { valid: false, problems: ['steal 5 %'], timingProblems: ['steal 5 %'] } };
    expect(judgeRound(loadOf({}), stolen)).toEqual({ dropped: [], late: ['candidate: steal 5 %'] });
  });

  test('with more lag on slow targets, but a slow candidate does not excuse its own', () => {
    expect(judgeRound(loadOf({ lagMs: 9, serviceMs: 200 }), loadOf({ lagMs: 9, serviceMs: 200 })).late).toEqual([]);
    expect(judgeRound(loadOf({ lagMs: 1, serviceMs: 10 }), loadOf({ lagMs: 9, serviceMs: 200 })).late).toHaveLength(1);
  });

  test('unless nothing was sent', () => {
    expect(judgeRound({ ...loadOf({}), requests: 0 }, loadOf({})).dropped).toEqual(['baseline: no request was sent']);
  });
});

function loadOf({ lagMs = 0, serviceMs = 10 }: { readonly lagMs?: number; readonly serviceMs?: number }): LoadResult {
  const histogramOf = (ms: number) => {
    const histogram = new Histogram();
    histogram.record(ms * 1000, 100);
    return histogram.toData();
  };
  return {
    startedAt: '2026-01-01T00:00:00.000Z',
    durationMs: 2000,
    plannedIterations: 100,
    startedIterations: 100,
    droppedIterations: 0,
    requests: 100,
    failedRequests: 0,
    failedChecks: 0,
    requestsPerSecond: 50,
    responseTimeUs: histogramOf(lagMs + serviceMs),
    serviceTimeUs: histogramOf(serviceMs),
    sendLagUs: histogramOf(lagMs),
    steps: [],
    validity: { valid: true, problems: [], timingProblems: [] },
    meanInFlight: 1,
    checks: 100,
    generatorCpuShare: 0.1,
  };
}
