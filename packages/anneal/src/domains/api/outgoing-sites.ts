import type { Evidence } from '../../finding/finding.ts';
import type { CodeLocation, OutgoingObservation, RouteObservation } from '../../measurement/observations.ts';
import { distinctLocations, placeName, placeOf, routeName } from './call-sites.ts';

type Summed =
  | 'calls'
  | 'errors'
  | 'requests'
  | 'repeatingRequests'
  | 'repeatingCalls'
  | 'duplicateCalls'
  | 'totalMs'
  | 'connectionsOpened'
  | 'connectionsReused'
  | 'connectMs'
  | 'keepAliveRefused'
  | 'withoutTimeout'
  | 'retries'
  | 'promptRetries'
  | 'retryMs'
  | 'insideTransactionCalls'
  | 'insideTransactionMs'
  | 'unreadAnswers'
  | 'unreadWaitMs';

/** One operation asked for from one function, over all routes that come by there. Figures are sums over the routes. */
export interface OutgoingSite extends Readonly<Record<Summed, number>> {
  /** Unique per operation and function. Without the peer, whose port may be another one in every run. */
  readonly key: string;
  readonly kind: OutgoingObservation['kind'];
  readonly peer: string;
  readonly operation: string;
  readonly locations: readonly CodeLocation[];
  /** The one that makes most calls first. Never empty. */
  readonly routes: readonly [string, ...string[]];
  readonly maxCallsPerRequest: number;
  readonly mostAttempts: number;
  readonly shortestRetryGapMs: number | null;
  /** Calls in repeating requests that asked for something new. */
  readonly distinctCalls: number;
  /** Calls in repeating requests that began while another one was running. */
  readonly overlappingCalls: number;
  readonly parentStatement: string | null;
}

/**
 * The sites of the wanted kind, in the order of their routes. `by` place: all operations that one function asks for
 * are one site, named by the most frequent; how a call is made is decided there, whatever it asks for.
 */
export function outgoingSitesOf(
  routes: readonly RouteObservation[],
  kind: OutgoingObservation['kind'],
  by: 'operation' | 'place' = 'operation',
): readonly OutgoingSite[] {
  const members = routes.flatMap((route) =>
    route.outgoing.filter((seen) => seen.kind === kind).map((seen) => ({ route: routeName(route), seen })),
  );
  const groups = Map.groupBy(members, ({ route, seen }) => {
    const place = placeOf(seen.location) ?? route;
    return by === 'place' ? place : `${seen.operation} in ${place}`;
  });
  return [...groups].map(([key, group]) => {
    const ordered = group.toSorted((left, right) => right.seen.calls - left.seen.calls);
    const first = ordered[0]!.seen;
    const sum = (figure: (seen: OutgoingObservation) => number) => group.reduce((total, { seen }) => total + figure(seen), 0);
    const over = (figure: Summed) => sum((seen) => seen[figure]);
    const gaps = group.map(({ seen }) => seen.shortestRetryGapMs).filter((gap) => gap !== null);
    return {
      key,
      kind,
      peer: [...new Set(ordered.map(({ seen }) => seen.peer))].join(', '),
      operation: first.operation,
      locations: distinctLocations(ordered.map(({ seen }) => seen.location)),
      routes: [...new Set(ordered.map(({ route }) => route))] as unknown as readonly [string, ...string[]],
      calls: over('calls'),
      errors: over('errors'),
      requests: requestsOf(group),
      repeatingRequests: over('repeatingRequests'),
      repeatingCalls: over('repeatingCalls'),
      duplicateCalls: over('duplicateCalls'),
      totalMs: over('totalMs'),
      connectionsOpened: over('connectionsOpened'),
      connectionsReused: over('connectionsReused'),
      connectMs: over('connectMs'),
      keepAliveRefused: over('keepAliveRefused'),
      withoutTimeout: over('withoutTimeout'),
      retries: over('retries'),
      promptRetries: over('promptRetries'),
      retryMs: over('retryMs'),
      insideTransactionCalls: over('insideTransactionCalls'),
      insideTransactionMs: over('insideTransactionMs'),
      unreadAnswers: over('unreadAnswers'),
      unreadWaitMs: over('unreadWaitMs'),
      maxCallsPerRequest: Math.max(...group.map(({ seen }) => seen.maxCallsPerRequest)),
      mostAttempts: Math.max(...group.map(({ seen }) => seen.mostAttempts)),
      shortestRetryGapMs: gaps.length === 0 ? null : Math.min(...gaps),
      distinctCalls: sum((seen) => seen.repeatingCalls * seen.distinctCallsShare),
      overlappingCalls: sum((seen) => seen.repeatingCalls * seen.overlappingShare),
      parentStatement: ordered.find(({ seen }) => seen.parentStatement !== null)?.seen.parentStatement ?? null,
    };
  });
}

/** A request that asks for two things from one place is one request: at least as many as the most frequent of each route. */
function requestsOf(members: readonly { readonly route: string; readonly seen: OutgoingObservation }[]): number {
  const byRoute = Map.groupBy(members, ({ route }) => route);
  return [...byRoute.values()].reduce((sum, group) => sum + Math.max(...group.map(({ seen }) => seen.requests)), 0);
}

/** Whom and what, as a person would say it: `GET /users/:id of users.internal`. */
export function callName({ kind, operation, peer }: OutgoingSite): string {
  return kind === 'http' ? `${operation} of ${peer}` : `${operation} at ${peer}`;
}

/** As a silence names it. */
export function siteName(site: OutgoingSite): string {
  return `${callName(site)} from ${placeName(site.locations[0])}`;
}

export function measured(label: string, value: number | string, unit: string): Evidence {
  return { label, value, unit, provenance: 'measured', source: 'agent' };
}

/** What every finding about outgoing calls shows. */
export function commonEvidence(site: OutgoingSite): readonly [Evidence, ...Evidence[]] {
  return [
    measured('operation', site.operation, ''),
    measured('peer', site.peer, ''),
    measured('calls', site.calls, '1'),
    measured('requests that make them', site.requests, '1'),
    measured('mean time of a call', site.totalMs / Math.max(site.calls, 1), 'ms'),
    ...(site.routes.length === 1 ? [] : [measured('routes that come by here', site.routes.join(', '), '')]),
  ];
}
