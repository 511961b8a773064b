import { CallSiteSampler } from '../places/call-site.ts';
import type { Problems } from '../problems.ts';
import type { OutgoingKind, SourceLocation } from '../protocol.ts';
import type { OpenRequest } from '../requests/request.ts';

/** What the application asks of one other service: what a statement's template is to a database. */
export class Destination {
  readonly kind: OutgoingKind;
  /** `host:port`, or the name of a queue. */
  readonly peer: string;
  /** `GET /users/:id`, or a command's name; never a value. */
  readonly operation: string;
  readonly sampler = new CallSiteSampler();
  /** A package that was seen to make such a call for the application; null where only the application itself was, undefined before any stack was taken. */
  via: string | null | undefined;

  constructor(kind: OutgoingKind, peer: string, operation: string) {
    this.kind = kind;
    this.peer = peer;
    this.operation = operation;
  }
}

/** Of one peer, and in all: paths that no template was found for must not take the room of the others. */
const mostOperations = 200;
const mostDestinations = 10_000;
const otherOperations = '(more operations than the agent keeps)';

/** Every destination of this process. Looked up by kind, peer and operation in turn: joining them would make a new string per call. */
export class Destinations {
  readonly #problems: Problems;
  readonly #kinds = new Map<OutgoingKind, Map<string, Map<string, Destination>>>();
  readonly #other: Readonly<Record<OutgoingKind, Destination>> = {
    http: new Destination('http', '(more peers than the agent keeps)', otherOperations),
    redis: new Destination('redis', '(more peers than the agent keeps)', otherOperations),
    queue: new Destination('queue', '(more peers than the agent keeps)', otherOperations),
  };
  #count = 0;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  of(kind: OutgoingKind, peer: string, operation: string): Destination {
    let peers = this.#kinds.get(kind);
    if (peers === undefined) this.#kinds.set(kind, (peers = new Map()));
    let operations = peers.get(peer);
    const known = operations?.get(operation);
    if (known !== undefined) return known;
    if (this.#count >= mostDestinations || (operations !== undefined && operations.size >= mostOperations)) {
      this.#problems.note('an outgoing call was counted as "other": there are more peers or operations than the agent keeps');
      return operations?.get(otherOperations) ?? this.#other[kind];
    }
    if (operations === undefined) peers.set(peer, (operations = new Map()));
    // The last place is for what has none.
    const name = operations.size === mostOperations - 1 ? otherOperations : operation;
    const fresh = new Destination(kind, peer, name);
    operations.set(name, fresh);
    this.#count += 1;
    return fresh;
  }
}

/** What finished outgoing calls add up to. */
export interface OutgoingCallTotals {
  errors: number;
  totalMs: number;
  connectionsOpened: number;
  connectionsReused: number;
  connectMs: number;
  keepAliveRefused: number;
  withoutTimeout: number;
}

/** An answer whose body knows whether anybody read it (a fetch's `Response`). */
export interface Answer {
  readonly bodyUsed: boolean;
}

/** One call to another service, from the application's call until the last byte of the answer. */
export class OutgoingCall {
  readonly destination: Destination;
  readonly request: OpenRequest;
  /** Null when the stack was not taken. */
  readonly location: SourceLocation | null;
  /** The package that made the call for the application, null where it made it itself; undefined when the stack was not taken. */
  readonly via: string | null | undefined;
  /** What tells it from other calls to its destination: method and URL, or a command's arguments. Only compared, and gone with the request. */
  readonly identity: string | readonly unknown[];
  /** Order among the beginnings and ends of its request's calls. */
  readonly began: number;
  readonly sentAt: number;
  /** How many statements the request had made when it began inside a transaction; -1 where it began outside. */
  readonly statementsBefore: number;
  ended = Number.POSITIVE_INFINITY;
  endedAt = Number.NaN;
  failed = false;
  /** `null` where nothing tells (Redis connections are kept by their clients). */
  reusedConnection: boolean | null = null;
  /** How long the connection took to make; 0 for one that was there. */
  connectMs = 0;
  /** Asked to keep the connection, the peer said it closes it. */
  keepAliveRefused = false;
  /** Known to be without any limit of time. */
  withoutTimeout = false;
  /** Whether the application read the answer's body; null where nothing tells. */
  answerRead: boolean | null = null;
  /** Until its request closes. */
  answer: Answer | null = null;
  /** Whether a transaction stayed open and without any statement for as long as it took. */
  insideTransaction = false;
  /** Where it is added when it ends, if its request was counted before. */
  totals: OutgoingCallTotals | null = null;

  constructor(
    destination: Destination,
    request: OpenRequest,
    caller: { readonly location: SourceLocation | null; readonly via: string | null } | null,
    identity: string | readonly unknown[],
    nowMs: number,
  ) {
    this.destination = destination;
    this.request = request;
    this.location = caller?.location ?? null;
    this.via = caller?.via;
    if (caller !== null && typeof destination.via !== 'string') destination.via = caller.via;
    this.identity = identity;
    this.began = request.nextSequence();
    this.sentAt = nowMs;
    this.statementsBefore = request.openTransactions > 0 ? request.calls.length : -1;
  }

  get done(): boolean {
    return !Number.isNaN(this.endedAt);
  }

  end(failed: boolean, nowMs: number): void {
    if (this.done) return;
    const { request } = this;
    this.endedAt = nowMs;
    this.ended = request.nextSequence();
    this.failed = failed;
    this.insideTransaction = request.openTransactions > 0 && request.calls.length === this.statementsBefore;
    if (this.totals !== null) this.addTo(this.totals);
  }

  /** The request closes: an answer that nobody has read by now was not needed for the response. */
  settle(): void {
    if (this.answer === null) return;
    this.answerRead = this.answer.bodyUsed;
    this.answer = null;
  }

  addTo(totals: OutgoingCallTotals): void {
    if (this.failed) totals.errors += 1;
    totals.totalMs += this.endedAt - this.sentAt;
    if (this.reusedConnection === true) totals.connectionsReused += 1;
    else if (this.reusedConnection === false) totals.connectionsOpened += 1;
    totals.connectMs += this.connectMs;
    if (this.keepAliveRefused) totals.keepAliveRefused += 1;
    if (this.withoutTimeout) totals.withoutTimeout += 1;
  }
}
