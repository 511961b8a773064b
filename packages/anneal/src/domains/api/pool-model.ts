import { bucketRange } from '@anneal/agent/histogram';
import { connectionWaitMs } from '../../finding/request-time.ts';
import type { PoolObservation, RouteObservation } from '../../measurement/observations.ts';
import { fewestServers, fitPeakedness, meanWaitMs, waitingShare, type Queue } from '../../prediction/queueing.ts';
import type { Estimate } from '../../stats/estimate.ts';
import { poissonRateInterval } from '../../stats/poisson.ts';
import type { HistogramData } from '../../stats/histogram.ts';

/**
 * A pool as a queue, fitted to what the window saw: arrivals and hold times are measured, the
 * burstiness of the arrivals is what makes the model give the wait that was measured, where that is
 * longer than independent arrivals make it.
 */
export interface PoolModel {
  readonly arrivalsPerSecond: number;
  /** Mean time from checkout to release. */
  readonly meanHoldMs: number;
  readonly holdCv2: number;
  readonly loadErlangs: number;
  /** Mean over all checkouts, those that did not wait included. */
  readonly meanWaitMs: number;
  readonly waitedShare: number;
  /** M/M/c's wait at the present size, for independent arrivals: how far the measured one is from it says how bursty they are. */
  readonly independentWaitMs: number;
  readonly queue: Queue;
  /**
   * Connections that would have been wanted at once at the worst moment. With so many nobody of this
   * window would have waited: more servers never lengthen a first-come-first-served queue.
   */
  readonly peakDemand: number;
  /** Wait at the present size, had no connection been held without a query running. */
  readonly waitWithoutIdleMs: number;
}

/** Work in hand at the ends of the window is counted with one end only: closer to full than this, what is left is noise over a vanishing reserve. */
const fullestShare = 0.99;

/** Null when the pool did no work, or was so full that its hold times say nothing about its demand. */
export function modelPool(pool: PoolObservation, heldIdleMs: number, windowMs: number): PoolModel | null {
  if (pool.checkouts === 0 || windowMs <= 0 || pool.heldUs.count === 0) return null;
  const { mean, cv2 } = momentsMs(pool.heldUs);
  const loadErlangs = (pool.checkouts * mean) / windowMs;
  if (mean === 0 || loadErlangs >= fullestShare * pool.max) return null;
  const station = { servers: pool.max, loadErlangs, meanHoldMs: mean, holdCv2: cv2 };
  const waitMs = pool.waitMs / pool.checkouts;
  // A wait shorter than independent arrivals would have made may be luck: long holds seldom meet in one window. It is not relied on.
  const queue = { ...station, peakedness: Math.max(fitPeakedness(station, meanWaitMs, waitMs), 1) };
  const busyShare = 1 - Math.min(heldIdleMs / (pool.checkouts * mean), 1);
  const withoutIdle = { ...queue, loadErlangs: loadErlangs * busyShare, meanHoldMs: mean * busyShare };
  return {
    arrivalsPerSecond: (pool.checkouts * 1000) / windowMs,
    meanHoldMs: mean,
    holdCv2: cv2,
    loadErlangs,
    meanWaitMs: waitMs,
    waitedShare: pool.waits / pool.checkouts,
    independentWaitMs: meanWaitMs({ ...station, peakedness: 1 }),
    queue,
    peakDemand: pool.peakInUse + pool.peakWaiting,
    waitWithoutIdleMs: busyShare === 0 ? 0 : (waitMs * meanWaitMs(withoutIdle)) / meanWaitMs(queue),
  };
}

/** Less than one checkout in a hundred may wait longer than the budget: the p99 of a request is then not made by the pool. */
const exceedingShare = 0.01;

/**
 * The smallest size that keeps the wait within the budget; never more than the window could have
 * used. A pool that was always full does not show its demand: double it, then measure again.
 */
export function wantedSize(pool: PoolObservation, model: PoolModel | null, waitBudgetMs: number): number {
  const usable = Math.max(pool.peakInUse + pool.peakWaiting, pool.max + 1);
  if (model === null) return Math.min(usable, pool.max * 2);
  // How long and how often callers waited may tell two degrees of burstiness; the size must do for the larger.
  const peakedness = Math.max(model.queue.peakedness, fitPeakedness(model.queue, waitingShare, model.waitedShare));
  return Math.max(fewestServers({ ...model.queue, peakedness }, waitBudgetMs, exceedingShare, usable) ?? usable, pool.max + 1);
}

/**
 * Share of the wait that would go if no connection were held without a query running. Where the pool
 * was always full there is no stationary wait to compute with: the idle share of its time, which is
 * what could be given back.
 */
export function owedToIdleShare(pool: PoolObservation, model: PoolModel | null, heldIdleMs: number): number {
  if (model !== null) return model.meanWaitMs === 0 ? 0 : 1 - model.waitWithoutIdleMs / model.meanWaitMs;
  return pool.heldUs.sum === 0 ? 0 : Math.min((heldIdleMs * 1000) / pool.heldUs.sum, 1);
}

/**
 * A tenth of what a request takes without waiting: below that a wait disappears among the
 * differences between requests. Never below a millisecond, the resolution of timers.
 */
export function waitBudgetMs(routes: readonly RouteObservation[]): number {
  const requests = routes.reduce((sum, route) => sum + route.requests, 0);
  const totalMs = routes.reduce((sum, route) => sum + route.totalMs, 0);
  return requests === 0 ? 1 : Math.max(1, (0.1 * (totalMs - connectionWaitMs(routes))) / requests);
}

/**
 * Relative change of this pool's mean wait at another size. The interval spans what the same waits say
 * about the burstiness (how long, how often, and none at all) and the 95 % intervals of arrivals and
 * hold times of requests, since the checkouts
 * of one request are not independent. Requests that queue behind themselves go on doing so.
 */
export function predictWaitChange(model: PoolModel, pool: PoolObservation, routes: readonly RouteObservation[], size: number): Estimate {
  const independentObservations = routes.reduce((sum, route) => sum + route.requests, 0);
  const count = Math.max(Math.min(Math.floor(independentObservations), pool.checkouts), 1);
  const arrivals = poissonRateInterval(count, 0.95);
  const holdError = 1.96 * Math.sqrt(model.holdCv2 / count);
  const factors = [(arrivals.lower / count) * Math.max(1 - holdError, 0), 1, (arrivals.upper / count) * (1 + holdError)];
  const changes = factors.flatMap((factor) => {
    // A load at or beyond the present size cannot have given the finite wait that was measured.
    const loadErlangs = Math.min(model.loadErlangs * factor, fullestShare * pool.max);
    const station = { servers: pool.max, loadErlangs, meanHoldMs: model.meanHoldMs, holdCv2: model.holdCv2 };
    const byLength = fitPeakedness(station, meanWaitMs, model.meanWaitMs);
    const byFrequency = fitPeakedness(station, waitingShare, model.waitedShare);
    return [byLength, byFrequency, 1].map((peakedness) => changeAt({ ...station, peakedness }, size));
  });
  const floor = model.meanWaitMs === 0 ? -1 : Math.min(batchWaitMs(routes, pool, size) / model.meanWaitMs - 1, 0);
  const point = Math.max(changeAt(model.queue, size), floor);
  // A batch that meets an idle pool waits least, so what batches make is the least that stays.
  const lower = Math.max(Math.min(point, ...changes), floor);
  // Faster statements take the other waits away, on both sides of a trial; then the batches' own are all there is to shorten.
  const ownMs = batchWaitMs(routes, pool, pool.max);
  const ifOnlyBatches = ownMs === 0 ? -1 : batchWaitMs(routes, pool, size) / ownMs - 1;
  return { point, lower, upper: Math.max(point, ifOnlyBatches, ...changes), confidenceLevel: 0.95 };
}

/**
 * Wait per checkout that requests make for themselves: one that sends more statements side by side than there
 * are connections queues behind its own, however idle the pool is. While c connections are busy one comes
 * back every 1 / c of a hold if holds vary like an exponential, later if they vary less: the (c + n)-th
 * statement of a batch waits at least n / c holds.
 */
export function batchWaitMs(routes: readonly RouteObservation[], pool: PoolObservation, size: number): number {
  let waitMs = 0;
  for (const { statements } of routes) {
    for (const { repeatingCalls, repeatingRequests, overlappingShare, totalMs, calls } of statements) {
      if (repeatingRequests === 0 || calls === 0) continue;
      const sideBySide = Math.round((repeatingCalls / repeatingRequests) * overlappingShare) + 1;
      let holds = 0;
      for (let behind = 1; behind <= sideBySide - size; behind += 1) holds += behind / size;
      waitMs += repeatingRequests * holds * (totalMs / calls);
    }
  }
  return pool.checkouts === 0 ? 0 : waitMs / pool.checkouts;
}

function changeAt(queue: Queue, servers: number): number {
  const before = meanWaitMs(queue);
  return before > 0 ? meanWaitMs({ ...queue, servers }) / before - 1 : 0;
}

/** Idle held time of one pool: the routes tell it for all pools together, so it is split by the time each pool was held. */
export function heldIdleOf(pool: PoolObservation, pools: readonly PoolObservation[], routes: readonly RouteObservation[]): number {
  const idleMs = routes.reduce((sum, route) => sum + route.heldIdleMs, 0);
  const heldUs = pools.reduce((sum, other) => sum + other.heldUs.sum, 0);
  return heldUs === 0 ? 0 : (idleMs * pool.heldUs.sum) / heldUs;
}

/** Wait of requests for this pool; what background work waited is nobody's answer time. */
export function requestWaitMs(pool: PoolObservation, routes: readonly RouteObservation[]): number {
  return Math.min(pool.waitMs, connectionWaitMs(routes));
}

function momentsMs(histogram: HistogramData): { readonly mean: number; readonly cv2: number } {
  const mean = histogram.sum / histogram.count;
  if (mean === 0) return { mean: 0, cv2: 0 };
  const squares = histogram.buckets.reduce((sum, [bucket, times]) => {
    const { lower, width } = bucketRange(bucket, histogram.precisionBits);
    return sum + times * (lower + width / 2 - mean) ** 2;
  }, 0);
  return { mean: mean / 1000, cv2: squares / histogram.count / mean ** 2 };
}
