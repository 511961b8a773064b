import type { EarlierResult } from './parent.ts';
import { parameterKey } from './parameters.ts';
import type { SourceLocation } from './protocol.ts';
import type { Template } from './statements.ts';

/** What finished calls add up to, within a request and within a route alike. */
export interface CallTotals {
  errors: number;
  totalMs: number;
  rows: number;
  receivedBytes: number;
}

/** One template from one place (null: not captured) within one open request. */
export class RequestStatement implements CallTotals {
  location: SourceLocation | null;
  calls = 0;
  overlapping = 0;
  duplicates = 0;
  errors = 0;
  totalMs = 0;
  rows = 0;
  receivedBytes = 0;
  /** Where calls that end after the request are added. */
  foldedInto: CallTotals | null = null;

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
  }
}

/** Where a finished call is added now: its statement, or what that was folded into when its request closed. */
export function currentTotals(totals: CallTotals): CallTotals {
  let current = totals;
  while (current instanceof RequestStatement && current.foldedInto !== null) current = current.foldedInto;
  return current;
}

/** As many calls' parameters as are compared with earlier results. */
const comparedCalls = 5;

/** One template within one open request: what its calls from all places share. */
export class RequestTemplate {
  readonly firstSequence: number;
  readonly statements: RequestStatement[] = [];
  running = 0;
  /** Whether this request captures the place of every call of it. */
  captureAll = false;
  /** Parameters of the first calls, as the application passed them. */
  readonly compared: (readonly unknown[])[] = [];
  #first: { readonly literals: string; readonly values: readonly unknown[] | undefined } | null = null;
  #keys: Set<string | number> | null = null;

  constructor(firstSequence: number) {
    this.firstSequence = firstSequence;
  }

  at(location: SourceLocation | null): RequestStatement {
    for (const statement of this.statements) if (statement.location === location) return statement;
    const statement = new RequestStatement(location);
    this.statements.push(statement);
    return statement;
  }

  /**
   * Whether a call with equal text and parameters was made before; `literals` is the text where it
   * holds any. Keys are only made once there is a second call.
   */
  repeats(literals: string, values: readonly unknown[] | undefined): boolean {
    if (values !== undefined && this.compared.length < comparedCalls) this.compared.push(values);
    if (this.#first === null) {
      this.#first = { literals, values };
      return false;
    }
    this.#keys ??= new Set([keyOf(this.#first.literals, this.#first.values)]);
    const before = this.#keys.size;
    return this.#keys.add(keyOf(literals, values)).size === before;
  }
}

/** Most calls have one number, or its text, as their only parameter: those need no new string. */
function keyOf(literals: string, values: readonly unknown[] | undefined): string | number {
  if (literals === '' && values?.length === 1) {
    const [value] = values;
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value)) return Number(value);
  }
  const parameters = parameterKey(values);
  return literals === '' ? parameters : `${literals}\u0000${parameters}`;
}

/** A span counted once however many of its parts overlap. */
export class CoveredTime {
  totalMs = 0;
  #running = 0;
  #since = 0;

  begin(nowMs: number): void {
    if (this.#running === 0) this.#since = nowMs;
    this.#running += 1;
  }

  end(nowMs: number): void {
    if (this.#running === 0) return;
    this.#running -= 1;
    if (this.#running === 0) this.totalMs += nowMs - this.#since;
  }

  /** Ends everything that still runs. */
  close(nowMs: number): void {
    if (this.#running > 0) this.totalMs += nowMs - this.#since;
    this.#running = 0;
  }
}

const mostTemplates = 64;
const mostResults = 8;
const mostResultRows = 1000;

/** A request from its arrival until its response closed: the context that everything it causes is counted in. */
export class OpenRequest {
  readonly method: string;
  readonly startedAt: number;
  /** Set by a framework that knows the route's name early. */
  route: string | null = null;
  closed = false;
  readonly templates = new Map<Template, RequestTemplate>();
  readonly results: EarlierResult<Template>[] = [];
  readonly querying = new CoveredTime();
  poolWaitMs = 0;
  heldIdleMs = 0;
  /** Idle milliseconds by where the connection was taken; null while no connection was. */
  heldAt: Map<SourceLocation | null, number> | null = null;
  serialisationMs = 0;
  longestSerialisationMs = 0;
  #sequence = 0;

  constructor(method: string, startedAt: number) {
    this.method = method;
    this.startedAt = startedAt;
  }

  /** Null when the request already uses as many different statements as the agent follows. */
  template(template: Template): RequestTemplate | null {
    const known = this.templates.get(template);
    if (known !== undefined) return known;
    if (this.templates.size >= mostTemplates) return null;
    this.#sequence += 1;
    const fresh = new RequestTemplate(this.#sequence);
    this.templates.set(template, fresh);
    return fresh;
  }

  /** Remembers a result that a loop may take its parameters from. It is released with the request. */
  received(template: Template, rows: readonly unknown[], fewest: number): void {
    if (rows.length < fewest || rows.length > mostResultRows || this.results.length >= mostResults) return;
    this.#sequence += 1;
    this.results.push({ sequence: this.#sequence, statement: template, rows });
  }

  serialised(durationMs: number): void {
    this.serialisationMs += durationMs;
    if (durationMs > this.longestSerialisationMs) this.longestSerialisationMs = durationMs;
  }

  heldIdle(location: SourceLocation | null, durationMs: number): void {
    this.heldIdleMs += durationMs;
    this.heldAt ??= new Map();
    this.heldAt.set(location, (this.heldAt.get(location) ?? 0) + durationMs);
  }
}
