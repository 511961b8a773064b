import type { RequestOutgoing } from './fold-outgoing.ts';
import type { Destination, OutgoingCallTotals } from './outgoing.ts';
import type { OutgoingSummary, SourceLocation } from '../protocol.ts';
import { ParentVotes, repeatsFrom, share } from '../requests/repetition.ts';

/** One destination from one place within one route, over a window. */
export class OutgoingTotals implements OutgoingCallTotals {
  readonly destination: Destination;
  location: SourceLocation | null;
  readonly parents = new ParentVotes();
  #via: string | null = null;
  #calls = 0;
  #requests = 0;
  #maxCallsPerRequest = 0;
  #repeatingRequests = 0;
  #repeatingCalls = 0;
  #repeatingDistinct = 0;
  #repeatingOverlaps = 0;
  #duplicates = 0;
  #retries = 0;
  #promptRetries = 0;
  #shortestRetryGapMs = Number.POSITIVE_INFINITY;
  #retryMs = 0;
  #mostAttempts = 1;
  #insideTransactionCalls = 0;
  #insideTransactionMs = 0;
  #unreadAnswers = 0;
  #unreadWaitMs = 0;
  errors = 0;
  totalMs = 0;
  connectionsOpened = 0;
  connectionsReused = 0;
  connectMs = 0;
  keepAliveRefused = 0;
  withoutTimeout = 0;

  constructor(destination: Destination, location: SourceLocation | null) {
    this.destination = destination;
    this.location = location;
  }

  add(one: RequestOutgoing): void {
    this.#via ??= one.via ?? null;
    this.#calls += one.calls;
    this.#requests += 1;
    this.#maxCallsPerRequest = Math.max(this.#maxCallsPerRequest, one.calls);
    this.#duplicates += one.duplicates;
    this.#retries += one.retries;
    this.#promptRetries += one.promptRetries;
    this.#shortestRetryGapMs = Math.min(this.#shortestRetryGapMs, one.shortestRetryGapMs);
    this.#retryMs += one.retryMs;
    this.#mostAttempts = Math.max(this.#mostAttempts, one.mostAttempts);
    this.#insideTransactionCalls += one.insideTransactionCalls;
    this.#insideTransactionMs += one.insideTransactionMs;
    this.#unreadAnswers += one.unreadAnswers;
    this.#unreadWaitMs += one.unreadWaitMs;
    this.errors += one.errors;
    this.totalMs += one.totalMs;
    this.connectionsOpened += one.connectionsOpened;
    this.connectionsReused += one.connectionsReused;
    this.connectMs += one.connectMs;
    this.keepAliveRefused += one.keepAliveRefused;
    this.withoutTimeout += one.withoutTimeout;
    if (one.calls < repeatsFrom) return;
    this.#repeatingRequests += 1;
    this.#repeatingCalls += one.calls;
    this.#repeatingDistinct += one.calls - one.duplicates - one.retries;
    this.#repeatingOverlaps += one.overlapping;
  }

  /** `factor`: for how many requests each followed one stands. */
  toSummary(factor: number): OutgoingSummary {
    const scaled = (count: number) => Math.round(count * factor);
    const { kind, peer, operation } = this.destination;
    return {
      kind,
      peer,
      operation,
      location: this.location,
      via: this.#via,
      calls: scaled(this.#calls),
      errors: scaled(this.errors),
      requests: scaled(this.#requests),
      maxCallsPerRequest: this.#maxCallsPerRequest,
      repeatingRequests: scaled(this.#repeatingRequests),
      repeatingCalls: scaled(this.#repeatingCalls),
      distinctCallsShare: share(this.#repeatingDistinct, this.#repeatingCalls),
      duplicateCalls: scaled(this.#duplicates),
      overlappingShare: share(this.#repeatingOverlaps, this.#repeatingCalls),
      parentTemplateId: this.parents.elected()?.id ?? null,
      totalMs: this.totalMs * factor,
      connectionsOpened: scaled(this.connectionsOpened),
      connectionsReused: scaled(this.connectionsReused),
      connectMs: this.connectMs * factor,
      keepAliveRefused: scaled(this.keepAliveRefused),
      withoutTimeout: scaled(this.withoutTimeout),
      retries: scaled(this.#retries),
      promptRetries: scaled(this.#promptRetries),
      shortestRetryGapMs: Number.isFinite(this.#shortestRetryGapMs) ? this.#shortestRetryGapMs : null,
      retryMs: this.#retryMs * factor,
      mostAttempts: this.#mostAttempts,
      insideTransactionCalls: scaled(this.#insideTransactionCalls),
      insideTransactionMs: this.#insideTransactionMs * factor,
      unreadAnswers: scaled(this.#unreadAnswers),
      unreadWaitMs: this.#unreadWaitMs * factor,
    };
  }
}
