import type { RouteAnswers } from '../answers/route-answers.ts';
import type { Destination } from '../outgoing/outgoing.ts';
import { OutgoingTotals } from '../outgoing/outgoing-totals.ts';
import { Durations } from '../process/durations.ts';
import { SynchronousWork } from '../process/synchronous-work.ts';
import type { SourceLocation, StatementSummary } from '../protocol.ts';
import type { Room } from '../room.ts';
import type { Shown } from '../statements/shown-totals.ts';
import type { Template } from '../statements/statements.ts';
import type { RequestStatement } from './fold-request.ts';
import type { Outcome } from './outcome.ts';
import { ParentVotes, repeatsFrom, share } from './repetition.ts';
import type { CallTotals } from './request.ts';
import { TotalsByPlace } from './totals-by-place.ts';

export const mostStatements = 256;
const mostDestinations = 256;

/** One template from one place within one route. */
export class StatementTotals implements CallTotals {
  readonly template: Template;
  location: SourceLocation | null;
  calls = 0;
  errors = 0;
  requests = 0;
  maxCallsPerRequest = 0;
  repeatingRequests = 0;
  repeatingCalls = 0;
  repeatingDuplicates = 0;
  repeatingOverlaps = 0;
  duplicates = 0;
  totalMs = 0;
  rows = 0;
  receivedBytes = 0;
  shown: Shown | null = null;
  readonly parents = new ParentVotes();

  constructor(template: Template, location: SourceLocation | null) {
    this.template = template;
    this.location = location;
  }

  add(statement: RequestStatement): void {
    this.calls += statement.calls;
    this.errors += statement.errors;
    this.requests += 1;
    this.maxCallsPerRequest = Math.max(this.maxCallsPerRequest, statement.calls);
    this.duplicates += statement.duplicates;
    this.totalMs += statement.totalMs;
    this.rows += statement.rows;
    this.receivedBytes += statement.receivedBytes;
    if (statement.calls < repeatsFrom) return;
    this.repeatingRequests += 1;
    this.repeatingCalls += statement.calls;
    this.repeatingDuplicates += statement.duplicates;
    this.repeatingOverlaps += statement.overlapping;
  }

  /** `factor`: for how many requests each followed one stands. */
  toSummary(factor: number): StatementSummary {
    const scaled = (count: number) => Math.round(count * factor);
    return {
      templateId: this.template.id,
      location: this.location,
      calls: scaled(this.calls),
      errors: scaled(this.errors),
      requests: scaled(this.requests),
      maxCallsPerRequest: this.maxCallsPerRequest,
      repeatingRequests: scaled(this.repeatingRequests),
      repeatingCalls: scaled(this.repeatingCalls),
      distinctParametersShare: share(this.repeatingCalls - this.repeatingDuplicates, this.repeatingCalls),
      duplicateCalls: scaled(this.duplicates),
      overlappingShare: share(this.repeatingOverlaps, this.repeatingCalls),
      parentTemplateId: this.parents.elected()?.id ?? null,
      totalMs: this.totalMs * factor,
      rows: scaled(this.rows),
      receivedBytes: scaled(this.receivedBytes),
      shown: this.shown?.toSummary() ?? null,
    };
  }
}

/** What one route, or the work outside requests, did in one window. */
export class RouteWindow {
  requests = 0;
  /** Of those, the ones whose statements, waits and held connections are in the figures. */
  followed = 0;
  errors = 0;
  /** GETs that were compared with those under way when they arrived, and the ones of them that met their like. */
  compared = 0;
  identical = 0;
  readonly duration = new Durations();
  queryMs = 0;
  outgoingMs = 0;
  redisMs = 0;
  poolWaitMs = 0;
  heldIdleMs = 0;
  readonly heldAt = new Map<SourceLocation, { heldIdleMs: number; requests: number }>();
  serialisationMs = 0;
  longestSerialisationMs = 0;
  responseBytes = 0;
  largestResponseBytes = 0;
  answers: RouteAnswers | null = null;
  synchronous: SynchronousWork | null = null;
  /** Of which the window saw a call. */
  readonly statements: TotalsByPlace<Template, StatementTotals>;
  /** Calls to other services, once there are any. */
  outgoing: TotalsByPlace<Destination, OutgoingTotals> | null = null;
  /** Shared by all routes of a window. */
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
    this.statements = new TotalsByPlace(mostStatements, room, (template, location) => new StatementTotals(template, location));
  }

  /** As many requests as the one that was seen stands for. */
  add(outcome: Outcome, times: number): void {
    this.requests += times;
    if (outcome.failed) this.errors += times;
    this.duration.recordMs(outcome.closedAt - outcome.startedAt, times);
    this.serialisationMs += times * outcome.serialisationMs;
    this.longestSerialisationMs = Math.max(this.longestSerialisationMs, outcome.longestSerialisationMs);
    this.responseBytes += times * outcome.responseBytes;
    this.largestResponseBytes = Math.max(this.largestResponseBytes, outcome.responseBytes);
    if (outcome.synchronous !== null) (this.synchronous ??= new SynchronousWork()).add(outcome.synchronous, times);
  }

  /** Null where there is no room, as for statements. */
  destination(destination: Destination, location: SourceLocation | null): OutgoingTotals | null {
    this.outgoing ??= new TotalsByPlace(mostDestinations, this.#room, (called, place) => new OutgoingTotals(called, place));
    return this.outgoing.of(destination, location);
  }

  /** For how many requests each followed one stands. */
  get factor(): number {
    return this.followed === 0 ? 1 : this.requests / this.followed;
  }

  hold(location: SourceLocation | null, heldIdleMs: number, requests: number): void {
    this.heldIdleMs += heldIdleMs;
    if (location === null) return;
    const known = this.heldAt.get(location);
    if (known === undefined && this.heldAt.size >= mostStatements) return;
    if (known === undefined) this.heldAt.set(location, { heldIdleMs, requests });
    else {
      known.heldIdleMs += heldIdleMs;
      known.requests += requests;
    }
  }
}
