import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import fc from 'fast-check';
import { seededRandom } from '../stats/random.ts';
import {
  allenCunneen,
  erlangC,
  fewestServers,
  fitPeakedness,
  meanWaitMs,
  residualDelayMs,
  waitBeyondShare,
  waitingShare,
  type Queue,
} from './queueing.ts';

describe('Erlang C', () => {
  test('is the utilisation for one server, 1/3 for two under one erlang, 0.4092 for ten under eight', () => {
    expect(erlangC(1, 0.7)).toBeCloseTo(0.7, 12);
    expect(erlangC(2, 1)).toBeCloseTo(1 / 3, 12);
    expect(erlangC(10, 8)).toBeCloseTo(0.40918, 5);
  });

  test('between whole numbers of servers follows the loss formula’s integral: 1/B(1/2, 1) = 1 + √π/2 · e · erfc(1)', () => {
    const inverseB = 1 + (Math.sqrt(Math.PI) / 2) * Math.E * 0.157299207050285;
    const [servers, load] = [2.5, 1];
    // Two steps of the recursion from one half.
    const b = 1 / (1 + (2.5 / load) * (1 + (1.5 / load) * inverseB));
    expect(erlangC(servers, load)).toBeCloseTo((servers * b) / (servers - load * (1 - b)), 6);
  });

  test('falls with every server and rises with the load', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 40, noNaN: true }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (servers, utilisation) => {
          const load = servers * utilisation;
          const waiting = erlangC(servers, load);
          expect(waiting).toBeGreaterThanOrEqual(0);
          expect(waiting).toBeLessThanOrEqual(1);
          expect(erlangC(servers + 1, load)).toBeLessThanOrEqual(waiting);
          expect(erlangC(servers, load * 1.02)).toBeGreaterThanOrEqual(waiting);
        },
      ),
    );
  });

  test('everybody waits where the load is not below the servers', () => {
    expect(erlangC(4, 4)).toBe(1);
    expect(allenCunneen({ servers: 4, loadErlangs: 4, meanHoldMs: 10, arrivalCv2: 1, holdCv2: 1 })).toBe(Number.POSITIVE_INFINITY);
  });
});

test('Allen-Cunneen is Pollaczek-Khinchine for one server: constant hold times halve the wait', () => {
  const station = { servers: 1, loadErlangs: 0.8, meanHoldMs: 5, arrivalCv2: 1 };
  expect(allenCunneen({ ...station, holdCv2: 1 })).toBeCloseTo((0.8 * 5) / 0.2, 10);
  expect(allenCunneen({ ...station, holdCv2: 0 })).toBeCloseTo((0.8 * 5) / 0.4, 10);
});

test('a loop blocked 3 times a second for 40 ms delays a random arrival by 2.4 ms', () => {
  expect(residualDelayMs(3, 40 ** 2)).toBeCloseTo(2.4, 10);
});

/** First come, first served, by the definition: the mean wait and the share that waits. */
function simulate(given: {
  readonly servers: number;
  readonly burst: number;
  readonly ratePerMs: number;
  readonly meanHoldMs: number;
  readonly seed: number;
}) {
  const random = seededRandom(given.seed);
  const exponential = (mean: number) => -mean * Math.log(1 - random.next());
  const freeAt = Array.from({ length: given.servers }, () => 0);
  let [now, waited, waiting, arrivals, beyond] = [0, 0, 0, 0, 0];
  while (arrivals < 60_000) {
    now += exponential(given.burst / given.ratePerMs);
    for (let one = 0; one < given.burst; one += 1) {
      const first = freeAt.indexOf(Math.min(...freeAt));
      const wait = Math.max(freeAt[first]! - now, 0);
      freeAt[first] = now + wait + exponential(given.meanHoldMs);
      waited += wait;
      waiting += wait > 0 ? 1 : 0;
      beyond += wait > 5 ? 1 : 0;
      arrivals += 1;
    }
  }
  return { meanMs: waited / arrivals, share: waiting / arrivals, beyondShare: beyond / arrivals };
}

describe('against a simulated first-come-first-served queue', () => {
  const station = { servers: 4, loadErlangs: 2.4, meanHoldMs: 6, holdCv2: 1 };

  test('independent arrivals: mean wait, share that waits and share beyond a budget agree', () => {
    const seen = simulate({ servers: 4, burst: 1, ratePerMs: 0.4, meanHoldMs: 6, seed: 1 });
    const queue: Queue = { ...station, peakedness: 1 };
    expect(Math.abs(Math.log(meanWaitMs(queue) / seen.meanMs))).toBeLessThan(0.1);
    expect(waitingShare(queue)).toBeCloseTo(seen.share, 1);
    expect(waitBeyondShare(queue, 5)).toBeCloseTo(seen.beyondShare, 1);
  });

  test('bursts of ten: fitted to the wait at 4 servers, the model foretells the waits at 8 and 12 that Erlang C alone calls nothing', () => {
    const seen = simulate({ servers: 4, burst: 10, ratePerMs: 0.4, meanHoldMs: 6, seed: 2 });
    const peakedness = fitPeakedness(station, meanWaitMs, seen.meanMs);
    expect(meanWaitMs({ ...station, peakedness })).toBeCloseTo(seen.meanMs, 6);
    for (const servers of [8, 12]) {
      const actual = simulate({ servers, burst: 10, ratePerMs: 0.4, meanHoldMs: 6, seed: 3 }).meanMs;
      const fitted = meanWaitMs({ ...station, servers, peakedness });
      const independent = meanWaitMs({ ...station, servers, peakedness: 1 });
      expect(Math.abs(Math.log(fitted / actual))).toBeLessThan(Math.log(2));
      expect(independent / actual).toBeLessThan(0.1);
    }
  });
});

test('the fewest servers keep the wait within the budget, one fewer does not', () => {
  const queue: Queue = { servers: 4, loadErlangs: 3.2, meanHoldMs: 8, holdCv2: 0.5, peakedness: 2 };
  const servers = fewestServers(queue, 2, 0.01, 50)!;
  expect(waitBeyondShare({ ...queue, servers }, 2)).toBeLessThan(0.01);
  expect(waitBeyondShare({ ...queue, servers: servers - 1 }, 2)).toBeGreaterThanOrEqual(0.01);
  expect(fewestServers(queue, 2, 0.01, 4)).toBeNull();
});
