import type { ProfiledFunction, RouteObservation } from '../../measurement/observations.ts';
import { routeName } from './call-sites.ts';

/** For which route a function of the application computes, and how long for each of its requests. */
interface FunctionTime {
  readonly route: RouteObservation;
  /** Of the function itself, for that route; libraries it calls are left out. */
  readonly ownMs: number;
  /** With the libraries it calls. */
  readonly selfMs: number;
}

/**
 * The route that most of a function's time was spent for; null where the samples do not say, or another route had as
 * much: an estimate from when requests were open (the agent's `attribution.ts`).
 */
export function functionTime({ routes: uses, selfMs, ownMs }: ProfiledFunction, routes: readonly RouteObservation[]): FunctionTime | null {
  const [most] = uses;
  if (most === undefined || selfMs === 0 || most.cpuMs * 2 < selfMs) return null;
  const route = routes.find((candidate) => routeName(candidate) === `${most.method} ${most.route}`);
  if (route === undefined || route.requests === 0) return null;
  const share = Math.min(most.cpuMs / selfMs, 1);
  return { route, ownMs: ownMs * share, selfMs: selfMs * share };
}
