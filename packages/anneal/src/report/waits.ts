import type { WindowRoute } from './assessment.ts';

/** What requests of a route spent their time on, as shares of it, 0-1; null where nothing tells. */
export interface Waits {
  readonly pool: number;
  readonly queries: number;
  readonly redis: number;
  readonly services: number;
  readonly ownCpu: number | null;
  /** Waiting for the event loop or a timer, and what nothing accounts for. */
  readonly rest: number;
}

export const waitHeadings = ['For a connection', 'Queries', 'Redis', 'Other services', 'Own CPU', 'Rest'] as const;

export const waitExplanation =
  'Own CPU is estimated from a sampling profile. What runs side by side counts in each column, so a row can add up to more than the whole; the rest is time spent waiting for the event loop or a timer, and what nothing accounts for.';

/** Null for a route that took no time. */
export function waitsOf({ totalMs, poolWaitMs, queryMs, redisMs, outgoingMs, cpuMs }: WindowRoute): Waits | null {
  if (totalMs === 0) return null;
  // Waits side by side in one request are summed for a pool, and a request can outlive its response: no part is more than the whole.
  const share = (partMs: number) => Math.min(partMs / totalMs, 1);
  const known = poolWaitMs + queryMs + redisMs + outgoingMs + (cpuMs ?? 0);
  return {
    pool: share(poolWaitMs),
    queries: share(queryMs),
    redis: share(redisMs),
    services: share(outgoingMs),
    ownCpu: cpuMs === null ? null : share(cpuMs),
    rest: Math.max(1 - known / totalMs, 0),
  };
}

/** In the order of `waitHeadings`. */
export function waitCells(route: WindowRoute, share: (value: number) => string): readonly string[] {
  const waits = waitsOf(route);
  if (waits === null) return waitHeadings.map(() => '');
  const { pool, queries, redis, services, ownCpu, rest } = waits;
  return [pool, queries, redis, services, ownCpu, rest].map((part) => (part === null ? '' : share(part)));
}
