import type { Answer } from '../answers/answer.ts';
import type { Look } from './following.ts';
import type { OutgoingCall } from '../outgoing/outgoing.ts';
import type { Checkout, PoolRecord } from '../statements/pools.ts';
import type { SourceLocation } from '../protocol.ts';
import type { ShownRows } from '../statements/shown-rows.ts';
import type { Template } from '../statements/statements.ts';
import type { SynchronousCall } from '../process/synchronous-work.ts';

/** What finished calls add up to. */
export interface CallTotals {
  errors: number;
  totalMs: number;
  rows: number;
  receivedBytes: number;
}

/**
 * One call of a statement, from the application's call until its last row. While a request is open
 * its calls are only written down; what they mean is worked out when it has been answered, so that
 * nobody waits for it (see `fold-request.ts`).
 */
export class Call {
  readonly template: Template;
  readonly request: OpenRequest | null;
  /** Null when the stack was not taken. */
  readonly location: SourceLocation | null;
  /** The text, where it holds literals that tell it from other calls of its template; else empty. */
  readonly literals: string;
  /** As the application passed them; never copied, so a caller that changes them later changes what is compared. */
  readonly values: readonly unknown[] | undefined;
  /** Order among the beginnings and ends of its request's calls. */
  readonly began: number;
  ended = Number.POSITIVE_INFINITY;
  /** When it was handed to a connection; NaN until then. Waiting for one is the pool's time, not the statement's. */
  sentAt = Number.NaN;
  endedAt = Number.NaN;
  failed = false;
  rows = 0;
  receivedBytes = 0;
  /** The rows themselves, where a later call's parameters may come from them. */
  received: readonly unknown[] | null = null;
  /** The names of their columns, where rows are arrays (`rowMode: 'array'`, as ORMs ask for them). */
  columns: readonly string[] | null = null;
  /** What of them stands in the answer, where both were looked at. */
  shown: ShownRows | null = null;
  /** Of the connection it runs on, when the application took that out of a pool itself. */
  checkout: Checkout | null = null;
  /** The pool that took a connection for this call alone. */
  record: PoolRecord | null = null;
  /** Itself and its like of requests that were let pass, where it is work that a request left behind. */
  standsFor = 1;
  /** Where it is added when it ends, if its request was counted before. */
  totals: CallTotals | null = null;

  constructor(
    template: Template,
    request: OpenRequest | null,
    location: SourceLocation | null,
    literals: string,
    values: readonly unknown[] | undefined,
  ) {
    this.template = template;
    this.request = request;
    this.location = location;
    this.literals = literals;
    this.values = values;
    this.began = request === null ? 0 : request.nextSequence();
  }

  get done(): boolean {
    return !Number.isNaN(this.endedAt);
  }

  addTo(totals: CallTotals): void {
    const times = this.standsFor;
    if (this.failed) totals.errors += times;
    totals.rows += times * this.rows;
    totals.receivedBytes += times * this.receivedBytes;
    if (!Number.isNaN(this.sentAt)) totals.totalMs += times * (this.endedAt - this.sentAt);
  }
}

/** A request from its arrival until its response closed: the context that everything it causes is counted in. */
export class OpenRequest {
  readonly method: string;
  readonly startedAt: number;
  /** What it arrived in: says for how many that were let pass it stands too. */
  readonly look: Look;
  /** Whether its statements are followed; if not it is counted and timed only (see `following.ts`). */
  readonly followed: boolean;
  /** Whether results are kept until it is counted, to see where later parameters come from. */
  readonly keepsRows: boolean;
  /** Whether its answer is looked at (see `examination.ts`). */
  readonly examined: boolean;
  keptResults = 0;
  /** What was answered, if it is one of those that are looked at. */
  answer: Answer | null = null;
  /** Null while none was made. */
  synchronous: SynchronousCall[] | null = null;
  /** Set by a framework that knows the route's name early, else when the response closes. */
  route: string | null = null;
  closedAt = Number.NaN;
  failed = false;
  responseBytes = 0;
  /** Whether it arrived while an identical one by the same client was running; null where it was not compared. */
  identical: boolean | null = null;
  /** Whether its route has it already; what comes later is added there. */
  counted = false;
  readonly calls: Call[] = [];
  /** Null while nothing was asked of another service. */
  outgoing: OutgoingCall[] | null = null;
  /** Begun and not ended yet. */
  openTransactions = 0;
  /** What a framework knows of the route's name only when it has found it. */
  nameAtClose: (() => string | null) | null = null;
  poolWaitMs = 0;
  /** Idle milliseconds by where the connection was taken; null while no connection was. */
  heldAt: Map<SourceLocation | null, number> | null = null;
  /** Whether every call of a template or destination is located, for those that come from several places. */
  captures: Map<object, boolean> | null = null;
  serialisationMs = 0;
  longestSerialisationMs = 0;
  #sequence = 0;

  constructor(method: string, startedAt: number, look: Look, followed: boolean, keepsRows: boolean, examined = false) {
    this.method = method;
    this.startedAt = startedAt;
    this.look = look;
    this.followed = followed;
    this.keepsRows = keepsRows;
    this.examined = examined;
  }

  get closed(): boolean {
    return !Number.isNaN(this.closedAt);
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  serialised(durationMs: number): void {
    this.serialisationMs += durationMs;
    if (durationMs > this.longestSerialisationMs) this.longestSerialisationMs = durationMs;
  }

  heldIdle(location: SourceLocation | null, durationMs: number): void {
    this.heldAt ??= new Map();
    this.heldAt.set(location, (this.heldAt.get(location) ?? 0) + durationMs);
  }
}
