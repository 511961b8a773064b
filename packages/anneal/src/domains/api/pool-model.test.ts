import { describe, expect, test } from 'vitest';
import { aCallSite, aPool, aRoute, histogramOf } from '../../finding/fixtures/observations.ts';
import { alwaysFullPool } from './fixtures/pools.ts';
import { simulatePool, type SimulatedTraffic } from './fixtures/simulate-pool.ts';
import { heldIdleOf, modelPool, owedToIdleShare, predictWaitChange, waitBudgetMs, wantedSize } from './pool-model.ts';

const windowMs = 60_000;
const shapes: readonly { readonly name: string; readonly max: number; readonly traffic: SimulatedTraffic }[] = [
  { name: 'single queries', max: 4, traffic: { requestsPerSecond: 400, burst: 1, meanHoldMs: 8, windowMs, seed: 11 } },
  { name: 'six queries at once', max: 4, traffic: { requestsPerSecond: 60, burst: 6, meanHoldMs: 7, windowMs, seed: 12 } },
  { name: 'twenty queries at once', max: 10, traffic: { requestsPerSecond: 40, burst: 20, meanHoldMs: 6, windowMs, seed: 13 } },
  { name: 'slow queries in a wide pool', max: 20, traffic: { requestsPerSecond: 9, burst: 2, meanHoldMs: 900, windowMs, seed: 14 } },
];

describe.each(shapes)('a pool under $name', ({ max, traffic }) => {
  const pool = simulatePool(max, traffic);
  const model = modelPool(pool, 0, windowMs)!;

  test('is modelled with the load, the variability and the wait it had', () => {
    const offered = (traffic.requestsPerSecond * traffic.burst * traffic.meanHoldMs) / 1000;
    expect(Math.abs(Math.log(model.loadErlangs / offered))).toBeLessThan(0.1);
    expect(Math.abs(Math.log(model.holdCv2))).toBeLessThan(0.25);
    expect(model.meanWaitMs).toBe(pool.waitMs / pool.checkouts);
  });

  test('at the wanted size keeps almost every checkout within the budget, on other traffic of the same kind', () => {
    const budgetMs = traffic.meanHoldMs / 2;
    const size = wantedSize(pool, model, budgetMs);
    const later = simulatePool(size, { ...traffic, seed: traffic.seed + 100 });
    const beyond = later.waitUs.buckets.length === 0 ? 0 : (later.waits * shareAbove(later, budgetMs)) / later.checkouts;
    expect(size).toBeGreaterThan(max);
    expect(size).toBeLessThanOrEqual(pool.peakInUse + pool.peakWaiting);
    expect(beyond).toBeLessThan(0.03);
  });

  test('changes its wait at another size as the prediction’s interval says', () => {
    for (const size of [max + 2, max * 2]) {
      const predicted = predictWaitChange(model, pool, routesOf(traffic), size);
      const later = simulatePool(size, traffic);
      const actual = later.waitMs / later.checkouts / model.meanWaitMs - 1;
      expect(actual).toBeGreaterThanOrEqual(predicted.lower - 0.02);
      expect(actual).toBeLessThanOrEqual(predicted.upper + 0.02);
    }
  });
});

/** The route whose requests the simulation made. */
function routesOf({ requestsPerSecond, burst, meanHoldMs }: SimulatedTraffic) {
  const requests = (requestsPerSecond * windowMs) / 1000;
  const calls = requests * burst;
  const repeating = burst < 3 ? {} : { repeatingRequests: requests, repeatingCalls: calls, overlappingShare: (burst - 1) / burst };
  const statement = aCallSite({ statementId: 's', calls, requests, totalMs: calls * meanHoldMs, ...repeating });
  return [aRoute({ route: '/', requests, statements: [statement] })];
}

test('requests that queue behind themselves go on doing so in a wider pool that is otherwise idle', () => {
  const traffic: SimulatedTraffic = { requestsPerSecond: 2, burst: 14, meanHoldMs: 5, windowMs, seed: 15 };
  const pool = simulatePool(4, traffic);
  const predicted = predictWaitChange(modelPool(pool, 0, windowMs)!, pool, routesOf(traffic), 9);
  const later = simulatePool(9, traffic);
  const actual = later.waitMs / later.checkouts / (pool.waitMs / pool.checkouts) - 1;
  expect(predicted.lower).toBeGreaterThan(-0.95);
  expect(actual).toBeGreaterThanOrEqual(predicted.lower - 0.02);
  expect(actual).toBeLessThanOrEqual(predicted.upper + 0.02);
});

function shareAbove(pool: ReturnType<typeof simulatePool>, budgetMs: number): number {
  // Buckets are 0.8 % wide, so their index order is value order and the lower end is near enough.
  const values = pool.waitUs.buckets.flatMap(([bucket, times]) => [{ lower: bucket, times }]);
  const total = values.reduce((sum, { times }) => sum + times, 0);
  const limit = histogramOf([budgetMs, 1]).buckets[0]![0];
  return values.filter(({ lower }) => lower > limit).reduce((sum, { times }) => sum + times, 0) / total;
}

test('a few long holds among many short ones: the size lets hardly anybody wait, however lucky the window was', () => {
  for (const seed of [1, 2, 3, 4]) {
    const traffic: SimulatedTraffic = {
      requestsPerSecond: 80,
      burst: 3,
      meanHoldMs: 3,
      longHolds: { share: 0.004, holdMs: 1000 },
      windowMs: 30_000,
      seed,
    };
    const pool = simulatePool(4, traffic);
    const size = wantedSize(pool, modelPool(pool, 0, 30_000), 4);
    const later = simulatePool(size, { ...traffic, windowMs: 300_000, seed: seed + 50 });
    expect((later.waits * shareAbove(later, 4)) / later.checkouts).toBeLessThan(0.03);
  }
});

describe('connections held idle', () => {
  // 90 checkouts/s: 80 of 5 ms, 10 of 205 ms, of which 200 ms without a query.
  const pool = aPool({
    name: 'main',
    max: 4,
    checkouts: 2_700,
    waits: 900,
    waitMs: 27_000,
    heldUs: histogramOf([5, 2_400], [205, 300]),
    peakInUse: 4,
    peakWaiting: 9,
  });

  test('explain the wait when without them hardly any is left', () => {
    const idleMs = 300 * 200;
    const model = modelPool(pool, idleMs, 30_000)!;
    expect(owedToIdleShare(pool, model, idleMs)).toBeGreaterThan(0.9);
    expect(owedToIdleShare(pool, modelPool(pool, 0, 30_000), 0)).toBeCloseTo(0, 9);
  });

  test('are split over pools by the time each was held', () => {
    const other = aPool({ name: 'reports', heldUs: histogramOf([205, 300]) });
    const routes = [aRoute({ route: '/a', heldIdleMs: 1_000 })];
    expect(heldIdleOf(pool, [pool], routes)).toBeCloseTo(1_000);
    expect(heldIdleOf(pool, [pool, other], routes) + heldIdleOf(other, [pool, other], routes)).toBeCloseTo(1_000);
  });
});

describe('a pool that was full all the time', () => {
  test('does not show its demand: it is doubled, not given what the queue grew to', () => {
    expect(modelPool(alwaysFullPool, 0, 30_000)).toBeNull();
    expect(wantedSize(alwaysFullPool, null, 1)).toBe(4);
  });

  test('owes to idle connections what of its time they held', () => {
    expect(owedToIdleShare(alwaysFullPool, null, 15_000)).toBeCloseTo(0.25);
  });
});

test('an unused pool has no model, and the wait budget is a tenth of a request without its waiting, at least 1 ms', () => {
  expect(modelPool(aPool({ name: 'idle', checkouts: 0, heldUs: histogramOf() }), 0, 30_000)).toBeNull();
  expect(waitBudgetMs([aRoute({ route: '/a', requests: 100, totalMs: 9_000, poolWaitMs: 4_000 })])).toBeCloseTo(5);
  expect(waitBudgetMs([aRoute({ route: '/a', requests: 100, totalMs: 300 })])).toBe(1);
  expect(waitBudgetMs([])).toBe(1);
});
