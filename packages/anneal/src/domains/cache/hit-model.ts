import { shareOf } from '../../finding/request-time.ts';
import type { RouteObservation, StatementObservation } from '../../measurement/observations.ts';

/** What share of a route's requests would be answered from memory, 0-1. */
export interface PredictedHits {
  /** Requests that came before in the same words by the same client. */
  readonly repeatedShare: number;
  /** Requests answered as the time before: what a cache that drops nothing in vain would spare. */
  readonly most: number;
  /** The same, where every write to one of the route's tables drops all of its answers. */
  readonly least: number;
  readonly point: number;
  /** Writes to the route's tables in the window. */
  readonly writes: number;
}

/** Null where nothing was repeated. */
export function predictHits(route: RouteObservation, statements: readonly StatementObservation[]): PredictedHits | null {
  const { answers } = route;
  if (answers === null || answers.reads === 0 || answers.repeats === 0) return null;
  const repeatedShare = shareOf(answers.repeats, answers.reads);
  // Keys are counted in the sample, requests in the window: fewer requests per key than there are, if anything.
  const keys = answers.reads - answers.repeats;
  const perKey = route.requests / Math.max(keys, 1);
  const writes = writesTo(tablesOf(route, statements), statements);
  const most = shareOf(answers.equalRepeats, answers.reads);
  const least = Math.min(most, repeatedShare * survivingShare(perKey, writes));
  return { repeatedShare, most, least, point: (least + most) / 2, writes };
}

/** What share of a statement's calls would be answered from memory, 0-1. */
export interface PredictedStatementHits {
  /** Calls that had been made before with the same parameters: no cache spares more. */
  readonly repeatedShare: number;
  /** Calls per different set of parameters. */
  readonly perKey: number;
  /** Writes to the statement's tables in the window. */
  readonly writes: number;
  /** Where every write drops everything that is kept of the statement: which writes leave a result as it was nobody measured. */
  readonly least: number;
}

/** Null where nothing was repeated, or nobody looked. `moreDrops`: how often in the window all is let go for other reasons than writes. */
export function predictStatementHits(
  { repetition, calls, tables }: StatementObservation,
  statements: readonly StatementObservation[],
  moreDrops = 0,
): PredictedStatementHits | null {
  if (repetition === undefined || repetition.repeats === 0) return null;
  const repeatedShare = shareOf(repetition.repeats, repetition.calls);
  // Counted in a sample, as keys of routes are.
  const perKey = calls / Math.max(repetition.calls - repetition.repeats, 1);
  const writes = writesTo(new Set(tables.map(withoutSchema)), statements);
  return { repeatedShare, perKey, writes, least: repeatedShare * survivingShare(perKey, writes + moreDrops) };
}

/**
 * What is kept is used by the next request of its key if that comes before the next write. With independent arrivals
 * (Poisson) at rate r per key and writes at rate w that is r / (r + w).
 */
function survivingShare(perKey: number, writes: number): number {
  return shareOf(perKey, perKey + writes);
}

/** What of a route's requests a cache of its whole answers would spare already, 0-1. */
export function sparedWhole(route: RouteObservation, statements: readonly StatementObservation[]): number {
  const kinds = new Map(statements.map(({ id, kind }) => [id, kind]));
  const whole =
    route.method === 'GET' &&
    route.outgoing.length === 0 &&
    route.statements.every(({ statementId }) => kinds.get(statementId) === 'select');
  return whole ? (predictHits(route, statements)?.point ?? 0) : 0;
}

/** Queries, and CPU by the profile or else in proportion to the number of requests. Milliseconds. */
export function workMs(route: RouteObservation, routes: readonly RouteObservation[], cpuMs: number): number {
  return Math.min(route.queryMs, route.totalMs) + cpuOf(route, routes, cpuMs);
}

export function cpuOf(route: RouteObservation, routes: readonly RouteObservation[], cpuMs: number): number {
  const requests = routes.reduce((sum, { requests: own }) => sum + own, 0);
  return route.cpuMs ?? cpuMs * shareOf(route.requests, requests);
}

export function routeName({ method, route }: Pick<RouteObservation, 'method' | 'route'>): string {
  return `${method} ${route}`;
}

function tablesOf(route: RouteObservation, statements: readonly StatementObservation[]): ReadonlySet<string> {
  const ids = new Set(route.statements.map(({ statementId }) => statementId));
  return new Set(statements.filter(({ id }) => ids.has(id)).flatMap(({ tables }) => tables.map(withoutSchema)));
}

function writesTo(tables: ReadonlySet<string>, statements: readonly StatementObservation[]): number {
  return statements
    .filter(({ kind, tables: named }) => kind !== 'select' && named.some((table) => tables.has(withoutSchema(table))))
    .reduce((sum, { calls }) => sum + calls, 0);
}

function withoutSchema(table: string): string {
  return table.slice(table.lastIndexOf('.') + 1);
}
