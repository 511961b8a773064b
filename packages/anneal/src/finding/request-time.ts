import type { RouteObservation, RuntimeObservation } from '../measurement/observations.ts';

/**
 * Time of the window's requests in which the backend was at work for them or made them queue:
 * queries, waiting for connections, and CPU. Time in which nothing happened (a long poll, a timer, a
 * service elsewhere) is left out: nothing found here could give it back, and one long poll of 20 s
 * would weigh as much as a thousand requests and hide every other cost. Milliseconds.
 */
export function requestTimeMs(routes: readonly RouteObservation[], runtime: RuntimeObservation): number {
  const waitedMs = routes.reduce((sum, route) => sum + Math.min(route.queryMs + route.poolWaitMs, route.totalMs), 0);
  return waitedMs + runtime.cpuMs;
}

/** A part of a whole that may be zero or, where parts overlap, too small. */
export function shareOf(part: number, whole: number): number {
  return whole > 0 ? Math.min(part / whole, 1) : 0;
}
