import type { RouteObservation, RuntimeObservation } from '../measurement/observations.ts';

/**
 * What the window's requests cost: time in queries plus CPU. Milliseconds. Shares "of request time"
 * are shares of this, for two reasons.
 *
 * - Waiting in a queue is made by the work in front of it. It is counted with that work, in
 *   proportion: a cause that is a fifth of the work stands for a fifth of the time, waits included.
 *   Counted on its own, the wait in a saturated pool would outweigh all its causes and hide them.
 * - Time in which nothing happened (a long poll, a timer, a service elsewhere) could not be given
 *   back by anything found here, and one long poll of 20 s weighs as much as a thousand requests.
 */
export function requestTimeMs(routes: readonly RouteObservation[], runtime: RuntimeObservation): number {
  return routes.reduce((sum, route) => sum + Math.min(route.queryMs, route.totalMs), runtime.cpuMs);
}

/** Time in which requests waited for connections. Waits side by side in one request are one wait: never more than the request took. */
export function connectionWaitMs(routes: readonly RouteObservation[]): number {
  return routes.reduce((sum, route) => sum + Math.min(route.poolWaitMs, route.totalMs), 0);
}

/** Share of a wait in all time of the requests: the work and that wait. */
export function waitShare(waitMs: number, routes: readonly RouteObservation[], runtime: RuntimeObservation): number {
  return shareOf(waitMs, requestTimeMs(routes, runtime) + connectionWaitMs(routes));
}

/**
 * Share of a wait for another service in all time of the requests: the work and that wait. Other waits
 * outside are left out, for the reason above: one model that thinks for 20 s would hide all the rest.
 */
export function elsewhereShare(waitMs: number, routes: readonly RouteObservation[], runtime: RuntimeObservation): number {
  return shareOf(waitMs, requestTimeMs(routes, runtime) + waitMs);
}

/** A part of a whole that may be zero or, where parts overlap, too small. */
export function shareOf(part: number, whole: number): number {
  return whole > 0 ? Math.min(part / whole, 1) : 0;
}
