import type { Measurement } from '../../measurement/measurement.ts';
import type {
  CodeLocation,
  RouteObservation,
  RouteStatementObservation,
  ShownObservation,
  StatementObservation,
} from '../../measurement/observations.ts';
import { mergeShown } from '../../measurement/shown.ts';

/**
 * One statement sent from one function, over all routes that come by there: a shared loader called
 * by five routes is one cause, not five. Figures are sums over the routes.
 */
export interface CallSite {
  /** Unique per statement and function; without a line where the function has a name, so that it outlives edits above it. */
  readonly key: string;
  readonly statementId: string;
  readonly locations: readonly CodeLocation[];
  /** `GET /orders/:id`, the one that makes most calls first. Never empty. */
  readonly routes: readonly [string, ...string[]];
  readonly calls: number;
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  readonly repeatingRequests: number;
  readonly repeatingCalls: number;
  /** Calls in repeating requests whose parameters were new to their request. */
  readonly distinctCalls: number;
  readonly duplicateCalls: number;
  /** Calls in repeating requests that began while another one was running. */
  readonly overlappingCalls: number;
  readonly parentStatementId: string | null;
  readonly totalMs: number;
  readonly rows: number;
  readonly receivedBytes: number;
  readonly shown: ShownObservation | null;
}

export function callSitesOf(routes: readonly RouteObservation[]): readonly CallSite[] {
  const byKey = new Map<string, { readonly route: string; readonly seen: RouteStatementObservation }[]>();
  for (const route of routes) {
    for (const seen of route.statements) {
      const key = `${seen.statementId} in ${placeOf(seen.location) ?? routeName(route)}`;
      byKey.set(key, [...(byKey.get(key) ?? []), { route: routeName(route), seen }]);
    }
  }
  return [...byKey].map(([key, members]) => {
    const sum = (figure: (seen: RouteStatementObservation) => number) => members.reduce((total, { seen }) => total + figure(seen), 0);
    const ordered = members.toSorted((left, right) => right.seen.calls - left.seen.calls);
    return {
      key,
      statementId: members[0]!.seen.statementId,
      locations: distinctLocations(ordered.map(({ seen }) => seen.location)),
      routes: [...new Set(ordered.map(({ route }) => route))] as unknown as readonly [string, ...string[]],
      calls: sum((seen) => seen.calls),
      requests: sum((seen) => seen.requests),
      maxCallsPerRequest: Math.max(...members.map(({ seen }) => seen.maxCallsPerRequest)),
      repeatingRequests: sum((seen) => seen.repeatingRequests),
      repeatingCalls: sum((seen) => seen.repeatingCalls),
      distinctCalls: sum((seen) => seen.repeatingCalls * seen.distinctParametersShare),
      duplicateCalls: sum((seen) => seen.duplicateCalls),
      overlappingCalls: sum((seen) => seen.repeatingCalls * seen.overlappingShare),
      parentStatementId: ordered.find(({ seen }) => seen.parentStatementId !== null)?.seen.parentStatementId ?? null,
      totalMs: sum((seen) => seen.totalMs),
      rows: sum((seen) => seen.rows),
      receivedBytes: sum((seen) => seen.receivedBytes),
      shown: mergeShown(members.map(({ seen }) => seen.shown)),
    };
  });
}

export function routeName(route: RouteObservation): string {
  return `${route.method} ${route.route}`;
}

export function routeOf({ observations }: Measurement, name: string | null): RouteObservation | null {
  return observations['agent.routes']?.find((route) => routeName(route) === name) ?? null;
}

/** `file#function`, or `file:line` where the function has no name. */
export function placeOf(location: CodeLocation | null): string | null {
  if (location === null) return null;
  return location.function === null ? `${location.file}:${location.line}` : `${location.file}#${location.function}`;
}

/** As a person reads it: `src/orders.ts:12 in loadOrders`. */
export function placeName(location: CodeLocation | undefined): string {
  if (location === undefined) return 'a place no source could name';
  return `${location.file}:${location.line}${location.function === null ? '' : ` in ${location.function}`}`;
}

/** The statement of an id, or its id where its text was not seen. */
export function statementText(statements: readonly StatementObservation[], id: string): string {
  return statements.find((statement) => statement.id === id)?.text ?? id;
}

export function distinctLocations(locations: readonly (CodeLocation | null)[]): readonly CodeLocation[] {
  const byPlace = new Map<string, CodeLocation>();
  for (const location of locations) {
    if (location !== null) byPlace.set(`${location.file}:${location.line}`, byPlace.get(`${location.file}:${location.line}`) ?? location);
  }
  return [...byPlace.values()];
}
