import { Histogram, mergeHistograms, type HistogramData } from '../stats/histogram.ts';
import type { Judgement } from './answer-checks.ts';
import type { Answer } from './http-client.ts';
import type { StepResult } from './load-result.ts';
import { refusedBy } from './refusals.ts';

/** What one generator thread saw of a run. Parts of several threads add up to the whole. */
export interface RunPart {
  readonly plannedIterations: number;
  readonly startedIterations: number;
  readonly droppedIterations: number;
  readonly requests: number;
  readonly failedRequests: number;
  /** Of those failed, the ones that a policy of the agent refused. */
  readonly refusedRequests: number;
  /** Requests without an answer when the drain time was over. */
  readonly unfinishedRequests: number;
  readonly checks: number;
  readonly failedChecks: number;
  readonly responseTimeUs: HistogramData;
  readonly serviceTimeUs: HistogramData;
  readonly sendLagUs: HistogramData;
  readonly steps: readonly StepResult[];
  /** Latest send and latest end, milliseconds after the start; 0 when nothing was sent. */
  readonly lastSentMs: number;
  readonly lastEndedMs: number;
  /** Integral of the number of requests in flight over the run. */
  readonly inFlightMs: number;
  /** How long requests were in flight that are in no histogram. */
  readonly untimedMs: number;
  /** CPU of the generator's thread, without turns it only spun to keep the schedule. */
  readonly cpuMs: number;
}

/** The code a request gets as its error when the drain time ends before its answer. */
export const unfinished = 'UNFINISHED';

export class LoadRecorder {
  plannedIterations = 0;
  startedIterations = 0;
  droppedIterations = 0;
  requests = 0;
  failedRequests = 0;
  refusedRequests = 0;
  inFlight = 0;
  /** Counts sends and answers: a turn of the event loop in which it stands still was idle. */
  activity = 0;
  #unfinished = 0;
  #checks = 0;
  #failedChecks = 0;
  #lastSentAt = 0;
  #lastEndedAt = 0;
  #inFlightMs = 0;
  #inFlightChangedAt = 0;
  #untimedMs = 0;
  readonly #startAt: number;
  readonly #timesFailures: boolean;
  readonly #response = new Histogram();
  readonly #service = new Histogram();
  readonly #lag = new Histogram();
  readonly #steps: readonly StepRecorder[];

  /** A refusal is in no time: it is quick and says nothing about those who are answered. `timesFailures`: whether other failures are. */
  constructor(stepNames: readonly string[], startAt: number, timesFailures = true) {
    this.#startAt = startAt;
    this.#timesFailures = timesFailures;
    this.#lastSentAt = startAt;
    this.#lastEndedAt = startAt;
    this.#steps = stepNames.map((name) => new StepRecorder(name));
  }

  /** `onSchedule`: the clock, not the previous answer, decided when this request was due; only such a send can lag. */
  sent(sentAt: number, dueAt: number, onSchedule: boolean): void {
    this.activity += 1;
    this.#lastSentAt = Math.max(this.#lastSentAt, sentAt);
    if (onSchedule) this.#lag.record((sentAt - dueAt) * 1000);
    this.#changeInFlight(1);
  }

  ended(nameIndex: number, times: { readonly dueAt: number; readonly sentAt: number }, answer: Answer, judgement: Judgement): void {
    this.activity += 1;
    this.#changeInFlight(-1);
    this.requests += 1;
    this.#lastEndedAt = Math.max(this.#lastEndedAt, answer.endedAt);
    const isRefused = judgement.failed && refusedBy(answer) !== null;
    if (judgement.failed) this.failedRequests += 1;
    if (isRefused) this.refusedRequests += 1;
    if (answer.error === unfinished) this.#unfinished += 1;
    this.#checks += judgement.checks;
    this.#failedChecks += judgement.failedChecks;
    const responseUs = (answer.endedAt - times.dueAt) * 1000;
    const serviceUs = (answer.endedAt - times.sentAt) * 1000;
    const isTimed = !isRefused && (this.#timesFailures || !judgement.failed);
    if (isTimed) {
      this.#response.record(responseUs);
      this.#service.record(serviceUs);
    } else this.#untimedMs += serviceUs / 1000;
    this.#steps[nameIndex]!.record(answer, isTimed ? { responseUs, serviceUs } : null, judgement.failed);
  }

  toPart(cpuMs: number): RunPart {
    return {
      plannedIterations: this.plannedIterations,
      startedIterations: this.startedIterations,
      droppedIterations: this.droppedIterations,
      requests: this.requests,
      failedRequests: this.failedRequests,
      refusedRequests: this.refusedRequests,
      unfinishedRequests: this.#unfinished,
      checks: this.#checks,
      failedChecks: this.#failedChecks,
      responseTimeUs: this.#response.toData(),
      serviceTimeUs: this.#service.toData(),
      sendLagUs: this.#lag.toData(),
      steps: this.#steps.map((step) => step.toResult()),
      lastSentMs: this.#lastSentAt - this.#startAt,
      lastEndedMs: this.#lastEndedAt - this.#startAt,
      inFlightMs: this.#inFlightMs,
      untimedMs: this.#untimedMs,
      cpuMs,
    };
  }

  /** Reads the clock itself: Little's law then compares two instruments, not one with itself. */
  #changeInFlight(by: 1 | -1): void {
    const now = performance.now();
    this.#inFlightMs += this.inFlight * (now - this.#inFlightChangedAt);
    this.#inFlightChangedAt = now;
    this.inFlight += by;
  }
}

/** The parts must be of one workload: their steps have the same names in the same order. */
export function mergeParts(parts: readonly RunPart[]): RunPart {
  const sum = (figure: (part: RunPart) => number) => parts.reduce((total, part) => total + figure(part), 0);
  const most = (figure: (part: RunPart) => number) => Math.max(...parts.map(figure));
  return {
    plannedIterations: sum((part) => part.plannedIterations),
    startedIterations: sum((part) => part.startedIterations),
    droppedIterations: sum((part) => part.droppedIterations),
    requests: sum((part) => part.requests),
    failedRequests: sum((part) => part.failedRequests),
    refusedRequests: sum((part) => part.refusedRequests),
    unfinishedRequests: sum((part) => part.unfinishedRequests),
    checks: sum((part) => part.checks),
    failedChecks: sum((part) => part.failedChecks),
    responseTimeUs: mergeHistograms(parts.map((part) => part.responseTimeUs)),
    serviceTimeUs: mergeHistograms(parts.map((part) => part.serviceTimeUs)),
    sendLagUs: mergeHistograms(parts.map((part) => part.sendLagUs)),
    steps: parts[0]!.steps.map((_, index) => mergeSteps(parts.map((part) => part.steps[index]!))),
    lastSentMs: most((part) => part.lastSentMs),
    lastEndedMs: most((part) => part.lastEndedMs),
    inFlightMs: sum((part) => part.inFlightMs),
    untimedMs: sum((part) => part.untimedMs),
    // The busiest thread is the one that saturates first.
    cpuMs: most((part) => part.cpuMs),
  };
}

class StepRecorder {
  readonly #name: string;
  #requests = 0;
  #failed = 0;
  #bytes = 0;
  readonly #statuses = new Map<string | number, number>();
  readonly #response = new Histogram();
  readonly #service = new Histogram();

  constructor(name: string) {
    this.#name = name;
  }

  record(answer: Answer, times: { readonly responseUs: number; readonly serviceUs: number } | null, failed: boolean): void {
    this.#requests += 1;
    if (failed) this.#failed += 1;
    this.#bytes += answer.bodyBytes;
    const status = answer.error ?? answer.status;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (times === null) return;
    this.#response.record(times.responseUs);
    this.#service.record(times.serviceUs);
  }

  toResult(): StepResult {
    return {
      name: this.#name,
      requests: this.#requests,
      failedRequests: this.#failed,
      statuses: Object.fromEntries(this.#statuses),
      responseTimeUs: this.#response.toData(),
      serviceTimeUs: this.#service.toData(),
      responseBytes: this.#bytes,
    };
  }
}

function mergeSteps(steps: readonly StepResult[]): StepResult {
  const statuses: Record<string, number> = {};
  for (const step of steps) {
    for (const [status, count] of Object.entries(step.statuses)) statuses[status] = (statuses[status] ?? 0) + count;
  }
  return {
    name: steps[0]!.name,
    requests: steps.reduce((sum, step) => sum + step.requests, 0),
    failedRequests: steps.reduce((sum, step) => sum + step.failedRequests, 0),
    statuses,
    responseTimeUs: mergeHistograms(steps.map((step) => step.responseTimeUs)),
    serviceTimeUs: mergeHistograms(steps.map((step) => step.serviceTimeUs)),
    responseBytes: steps.reduce((sum, step) => sum + step.responseBytes, 0),
  };
}
