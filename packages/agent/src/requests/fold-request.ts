import type { EarlierResult } from './parent.ts';
import { parameterKey } from './parameters.ts';
import type { SourceLocation } from '../protocol.ts';
import type { Call, CallTotals, OpenRequest } from './request.ts';
import type { Template } from '../statements/statements.ts';

/** One template from one place (null: not captured) within one request. */
export class RequestStatement implements CallTotals {
  location: SourceLocation | null;
  calls = 0;
  overlapping = 0;
  duplicates = 0;
  errors = 0;
  totalMs = 0;
  rows = 0;
  receivedBytes = 0;
  /** Calls that had not ended when the request was counted. */
  readonly unfinished: Call[] = [];

  constructor(location: SourceLocation | null) {
    this.location = location;
  }

  absorb(other: RequestStatement): void {
    this.calls += other.calls;
    this.overlapping += other.overlapping;
    this.duplicates += other.duplicates;
    this.errors += other.errors;
    this.totalMs += other.totalMs;
    this.rows += other.rows;
    this.receivedBytes += other.receivedBytes;
    this.unfinished.push(...other.unfinished);
  }
}

/** As many calls' parameters as are compared with earlier results. */
const comparedCalls = 5;

/** One template within one request: what its calls from all places share. */
export class RequestTemplate {
  readonly firstBegan: number;
  readonly places: RequestStatement[] = [];
  /** Parameters of the first calls. */
  readonly compared: (readonly unknown[])[] = [];
  #first: Call | null = null;
  #keys: Set<string | number> | null = null;
  #lastEnd = 0;

  constructor(firstBegan: number) {
    this.firstBegan = firstBegan;
  }

  /** Calls are added in the order they began. */
  add(call: Call): void {
    const statement = this.#at(call.location);
    statement.calls += 1;
    if (this.#repeats(call)) statement.duplicates += 1;
    if (this.#lastEnd > call.began) statement.overlapping += 1;
    if (call.ended > this.#lastEnd) this.#lastEnd = call.ended;
    if (call.values !== undefined && this.compared.length < comparedCalls) this.compared.push(call.values);
    if (call.done) call.addTo(statement);
    else statement.unfinished.push(call);
  }

  #at(location: SourceLocation | null): RequestStatement {
    for (const statement of this.places) if (statement.location === location) return statement;
    const statement = new RequestStatement(location);
    this.places.push(statement);
    return statement;
  }

  /** Whether a call with equal text and parameters was made before. Keys are only made once there is a second call. */
  #repeats(call: Call): boolean {
    if (this.#first === null) {
      this.#first = call;
      return false;
    }
    this.#keys ??= new Set([keyOf(this.#first)]);
    const before = this.#keys.size;
    return this.#keys.add(keyOf(call)).size === before;
  }
}

/** The calls of a request by template, in the order of their first calls. */
export function templatesOf(request: OpenRequest): ReadonlyMap<Template, RequestTemplate> {
  const templates = new Map<Template, RequestTemplate>();
  for (const call of request.calls) {
    let template = templates.get(call.template);
    if (template === undefined) {
      template = new RequestTemplate(call.began);
      templates.set(call.template, template);
    }
    template.add(call);
  }
  return templates;
}

/** Wall time within the request in which at least one statement was on its way; overlaps count once. */
export function queryMsOf(request: OpenRequest): number {
  return coveredMs(request.calls, request.closedAt);
}

/** Wall time until then in which at least one of the calls was on its way. */
export function coveredMs(calls: readonly { readonly sentAt: number; readonly endedAt: number }[], closedAt: number): number {
  let totalMs = 0;
  let coveredUntil = Number.NEGATIVE_INFINITY;
  const sent = calls.filter((call) => call.sentAt < closedAt);
  // Nearly always in order already: only calls that waited for a pool can overtake each other.
  sent.sort((one, other) => one.sentAt - other.sentAt);
  for (const { sentAt, endedAt } of sent) {
    const until = endedAt < closedAt ? endedAt : closedAt;
    if (until <= coveredUntil) continue;
    totalMs += until - Math.max(sentAt, coveredUntil);
    coveredUntil = until;
  }
  return totalMs;
}

export const mostResults = 8;

/** What its calls received, as far as rows were kept. */
export function resultsOf(request: OpenRequest): readonly EarlierResult<Template>[] {
  const results: EarlierResult<Template>[] = [];
  for (const { received, ended, template } of request.calls) {
    if (received !== null && results.length < mostResults) results.push({ sequence: ended, statement: template, rows: received });
  }
  return results;
}

/** Most calls have one number, or its text, as their only parameter: those need no new string. */
function keyOf({ literals, values }: Call): string | number {
  if (literals === '' && values?.length === 1) {
    const [value] = values;
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value)) return Number(value);
  }
  const parameters = parameterKey(values);
  return literals === '' ? parameters : `${literals}\u0000${parameters}`;
}
