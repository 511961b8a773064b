import { coveredMs } from '../requests/fold-request.ts';
import type { Destination, OutgoingCall, OutgoingCallTotals } from './outgoing.ts';
import { parameterKey } from '../requests/parameters.ts';
import type { SourceLocation } from '../protocol.ts';
import type { OpenRequest } from '../requests/request.ts';

/**
 * Less than a timer on purpose would wait: a retry that comes sooner after the failure comes at once.
 * Node's own smallest timer is 1 ms, the AWS and gRPC clients wait some 100 ms and 1 s before their first retry.
 */
const promptGapMs = 10;

/** A single wait worth telling apart: shorter ones are no reason to answer first and work later. */
const longWaitMs = 100;

/** As many calls' URLs as are compared with earlier results. */
const comparedCalls = 5;

/** One destination from one place (null: not captured) within one request. */
export class RequestOutgoing implements OutgoingCallTotals {
  location: SourceLocation | null;
  via: string | null | undefined;
  calls = 0;
  overlapping = 0;
  duplicates = 0;
  retries = 0;
  promptRetries = 0;
  shortestRetryGapMs = Number.POSITIVE_INFINITY;
  retryMs = 0;
  mostAttempts = 1;
  errors = 0;
  totalMs = 0;
  connectionsOpened = 0;
  connectionsReused = 0;
  connectMs = 0;
  keepAliveRefused = 0;
  withoutTimeout = 0;
  insideTransactionCalls = 0;
  insideTransactionMs = 0;
  unreadAnswers = 0;
  unreadWaitMs = 0;
  /** Calls that had not ended when the request was counted. */
  readonly unfinished: OutgoingCall[] = [];

  constructor(location: SourceLocation | null) {
    this.location = location;
  }

  absorb(other: RequestOutgoing): void {
    this.via ??= other.via;
    this.calls += other.calls;
    this.overlapping += other.overlapping;
    this.duplicates += other.duplicates;
    this.retries += other.retries;
    this.promptRetries += other.promptRetries;
    this.shortestRetryGapMs = Math.min(this.shortestRetryGapMs, other.shortestRetryGapMs);
    this.retryMs += other.retryMs;
    this.mostAttempts = Math.max(this.mostAttempts, other.mostAttempts);
    this.errors += other.errors;
    this.totalMs += other.totalMs;
    this.connectionsOpened += other.connectionsOpened;
    this.connectionsReused += other.connectionsReused;
    this.connectMs += other.connectMs;
    this.keepAliveRefused += other.keepAliveRefused;
    this.withoutTimeout += other.withoutTimeout;
    this.insideTransactionCalls += other.insideTransactionCalls;
    this.insideTransactionMs += other.insideTransactionMs;
    this.unreadAnswers += other.unreadAnswers;
    this.unreadWaitMs += other.unreadWaitMs;
    this.unfinished.push(...other.unfinished);
  }
}

/** The last call with one identity, and the how-manieth attempt it was. */
interface Attempt {
  readonly call: OutgoingCall;
  readonly attempt: number;
}

/** One destination within one request: what its calls from all places share. */
export class RequestDestination {
  readonly firstBegan: number;
  readonly places: RequestOutgoing[] = [];
  /** What varies in the first calls' URLs, by position. */
  readonly compared: (readonly string[])[] = [];
  readonly #attempts = new Map<string, Attempt>();
  #lastEnd = 0;

  constructor(firstBegan: number) {
    this.firstBegan = firstBegan;
  }

  /** Calls are added in the order they began. `insideMs`: what it adds to the time a transaction was kept waiting. */
  add(call: OutgoingCall, insideMs: number): void {
    const outgoing = this.#at(call.location);
    outgoing.calls += 1;
    outgoing.via ??= call.via;
    if (this.#lastEnd > call.began) outgoing.overlapping += 1;
    if (call.ended > this.#lastEnd) this.#lastEnd = call.ended;
    this.#compare(outgoing, call);
    if (call.insideTransaction) {
      outgoing.insideTransactionCalls += 1;
      outgoing.insideTransactionMs += insideMs;
    }
    if (call.answerRead === false) countUnread(outgoing, call);
    if (call.done) call.addTo(outgoing);
    else outgoing.unfinished.push(call);
  }

  /** The same again after it failed is a retry; the same again otherwise a duplicate. */
  #compare(outgoing: RequestOutgoing, call: OutgoingCall): void {
    const { identity } = call;
    const key = typeof identity === 'string' ? identity : parameterKey(identity);
    if (typeof identity === 'string' && this.compared.length < comparedCalls) this.compared.push(identity.split(/[/?&=]/));
    const before = this.#attempts.get(key);
    const gapMs = before === undefined ? Number.NaN : call.sentAt - before.call.endedAt;
    const isRetry = before?.call.failed === true && gapMs >= 0;
    const attempt = isRetry ? before.attempt + 1 : 1;
    this.#attempts.set(key, { call, attempt });
    if (before === undefined) return;
    if (!isRetry) {
      outgoing.duplicates += 1;
      return;
    }
    outgoing.retries += 1;
    if (gapMs < promptGapMs) outgoing.promptRetries += 1;
    outgoing.shortestRetryGapMs = Math.min(outgoing.shortestRetryGapMs, gapMs);
    outgoing.mostAttempts = Math.max(outgoing.mostAttempts, attempt);
    if (call.done) outgoing.retryMs += call.endedAt - call.sentAt;
  }

  #at(location: SourceLocation | null): RequestOutgoing {
    for (const outgoing of this.places) if (outgoing.location === location) return outgoing;
    const outgoing = new RequestOutgoing(location);
    this.places.push(outgoing);
    return outgoing;
  }
}

/** The outgoing calls of a request by destination, in the order of their first calls. */
export function destinationsOf({ outgoing }: OpenRequest): ReadonlyMap<Destination, RequestDestination> {
  const destinations = new Map<Destination, RequestDestination>();
  /** Calls side by side keep one transaction waiting once. */
  let waitedUntil = 0;
  for (const call of outgoing ?? []) {
    let destination = destinations.get(call.destination);
    if (destination === undefined) {
      destination = new RequestDestination(call.began);
      destinations.set(call.destination, destination);
    }
    let insideMs = 0;
    if (call.insideTransaction && call.endedAt > waitedUntil) {
      insideMs = call.endedAt - Math.max(call.sentAt, waitedUntil);
      waitedUntil = call.endedAt;
    }
    destination.add(call, insideMs);
  }
  return destinations;
}

/** Wall time within the request in which at least one call to another service, or one Redis command, was on its way. */
export function outgoingTimesOf(request: OpenRequest): { readonly outgoingMs: number; readonly redisMs: number } {
  const commands = request.outgoing?.filter(({ destination }) => destination.kind === 'redis') ?? [];
  const others = request.outgoing?.filter(({ destination }) => destination.kind !== 'redis') ?? [];
  return { outgoingMs: coveredMs(others, request.closedAt), redisMs: coveredMs(commands, request.closedAt) };
}

/**
 * An answer that nobody read, as far as the request did nothing else meanwhile: while statements or
 * other calls ran the request may have waited for those.
 */
function countUnread(outgoing: RequestOutgoing, call: OutgoingCall): void {
  const { request } = call;
  if (!call.done || call.endedAt > request.closedAt) return;
  outgoing.unreadAnswers += 1;
  const within = [...request.calls, ...(request.outgoing ?? [])]
    .filter((other) => other !== call && other.sentAt < call.endedAt && !(other.endedAt <= call.sentAt))
    .map(({ sentAt, endedAt }) => ({ sentAt: Math.max(sentAt, call.sentAt), endedAt }));
  const aloneMs = call.endedAt - call.sentAt - coveredMs(within, call.endedAt);
  if (aloneMs >= longWaitMs) outgoing.unreadWaitMs += aloneMs;
}
