import { AsyncLocalStorage } from 'node:async_hooks';
import { CaptureBudget, captureCallSite, type CallSiteSampler } from './call-site.ts';
import { fewestValues } from './parent.ts';
import { Pools, type Checkout, type PoolRecord } from './pools.ts';
import { Problems } from './problems.ts';
import type { AgentSummary, SourceLocation } from './protocol.ts';
import { currentTotals, OpenRequest, type CallTotals, type RequestTemplate } from './request.ts';
import { Routes, type ClosedRequest } from './routes.ts';
import { Runtime } from './runtime.ts';
import { Templates, type Template } from './statements.ts';

/** One call of a statement, from the application's call until its last row. */
export interface Call {
  readonly template: Template;
  readonly request: OpenRequest | null;
  /** Its own part of the request; null for work outside requests. */
  readonly siblings: RequestTemplate | null;
  readonly totals: CallTotals;
  /** When it was handed to a connection; NaN until then. Waiting for one is the pool's time, not the statement's. */
  sentAt: number;
  /** Of the connection it runs on, when the application took that out of a pool itself. */
  checkout: Checkout | null;
  /** The pool that took a connection for this call alone. */
  record: PoolRecord | null;
  rows: number;
  receivedBytes: number;
  done: boolean;
}

/** One place where the agent touches the application. An error of the agent's own ends it for good: the application goes on without. */
export class Hook {
  readonly #name: string;
  readonly #observer: Observer;
  #broken = false;

  constructor(name: string, observer: Observer) {
    this.#name = name;
    this.#observer = observer;
  }

  get on(): boolean {
    return this.#observer.on && !this.#broken;
  }

  failed(error: unknown): void {
    this.#broken = true;
    this.#observer.problems.note(`${this.#name} is not observed any more: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The one place where hooks report to. Hooks ask `on` before anything else; while it is false the
 * agent costs one property read per hook.
 */
export class Observer {
  on = false;
  readonly hooks = new Set<string>();
  readonly problems = new Problems();
  readonly pools = new Pools(this.problems);
  readonly #storage = new AsyncLocalStorage<OpenRequest>();
  readonly #templates = new Templates(this.problems);
  readonly #routes = new Routes(this.problems);
  readonly #runtime = new Runtime();
  readonly #budget = new CaptureBudget();
  readonly #switched: ((on: boolean) => void)[] = [];
  #windowFromMs = performance.now();

  /** For hooks that are only in place while observing. */
  whenSwitched(listener: (on: boolean) => void): void {
    this.#switched.push(listener);
  }

  switch(on: boolean): void {
    if (on === this.on) return;
    this.on = on;
    if (on) this.#runtime.start();
    else this.#runtime.stop();
    for (const listener of this.#switched) listener(on);
  }

  hook(name: string): Hook {
    return new Hook(name, this);
  }

  open(method: string): OpenRequest {
    return new OpenRequest(method, performance.now());
  }

  within<Result>(request: OpenRequest, work: () => Result): Result {
    return this.#storage.run(request, work);
  }

  /** The request that the running code belongs to. What a request leaves behind after its response is background work. */
  current(): OpenRequest | null {
    const request = this.#storage.getStore();
    return request === undefined || request.closed ? null : request;
  }

  close(request: OpenRequest, outcome: Omit<ClosedRequest, 'durationMs'>): void {
    const now = performance.now();
    request.closed = true;
    request.route = outcome.route;
    request.querying.close(now);
    this.#routes.close(request, { ...outcome, durationMs: now - request.startedAt });
  }

  /** The application calls a statement. Null when it cannot be counted any more. */
  call(sql: string, values: readonly unknown[] | undefined): Call | null {
    const template = this.#templates.of(sql);
    template.sampleParameters(values);
    const request = this.current();
    if (request === null) {
      const totals = this.#routes.background(template, template.sampler.wants() ? captureCallSite() : null);
      return totals === null ? null : newCall(template, null, null, totals);
    }
    const siblings = request.template(template);
    if (siblings === null) {
      this.problems.note('a statement was not counted: its request already ran 64 different ones');
      return null;
    }
    const first = siblings.statements.length === 0;
    const statement = siblings.at(this.#callSite(template.sampler, siblings, first));
    statement.calls += 1;
    if (siblings.repeats(template.hasLiterals ? sql : '', values)) statement.duplicates += 1;
    if (siblings.running > 0) statement.overlapping += 1;
    siblings.running += 1;
    return newCall(template, request, siblings, statement);
  }

  sent(call: Call, nowMs: number): void {
    call.sentAt = nowMs;
    if (call.request !== null && !call.request.closed) call.request.querying.begin(call.sentAt);
  }

  /** `rows` are those the application receives; kept until the request closes, to see where later parameters come from. */
  finished(call: Call, failed: boolean, nowMs: number, rows?: readonly unknown[]): void {
    if (call.done) return;
    call.done = true;
    const totals = currentTotals(call.totals);
    if (failed) totals.errors += 1;
    totals.rows += call.rows;
    totals.receivedBytes += call.receivedBytes;
    const wasSent = !Number.isNaN(call.sentAt);
    if (wasSent) totals.totalMs += nowMs - call.sentAt;
    const { request, siblings } = call;
    if (request === null || siblings === null) return;
    siblings.running -= 1;
    if (request.closed) return;
    if (wasSent) request.querying.end(nowMs);
    if (rows !== undefined) request.received(call.template, rows, fewestValues);
  }

  /** For places other than statements, such as checkouts. */
  callSite(sampler: CallSiteSampler): SourceLocation | null {
    return sampler.wants() ? captureCallSite() : null;
  }

  /** A checked-out connection is back. Its idle time is its request's, ended or not. */
  heldIdle(request: OpenRequest, location: SourceLocation | null, durationMs: number): void {
    if (!request.closed) request.heldIdle(location, durationMs);
    else if (request.route !== null) this.#routes.heldAfter(request, request.route, location, durationMs);
  }

  take(profile: AgentSummary['profile']): AgentSummary {
    const fromMs = this.#windowFromMs;
    const toMs = performance.now();
    this.#windowFromMs = toMs;
    const { routes, background, templates } = this.#routes.take();
    return {
      fromMs: performance.timeOrigin + fromMs,
      toMs: performance.timeOrigin + toMs,
      hooks: [...this.hooks],
      runtime: this.#runtime.take(),
      routes,
      background,
      statementTexts: [...templates].map((template) => template.take()),
      pools: this.pools.take(),
      profile,
      problems: this.problems.take(),
    };
  }

  #callSite(sampler: CallSiteSampler, siblings: RequestTemplate, first: boolean): SourceLocation | null {
    if (first && sampler.severalPlaces) siblings.captureAll = this.#budget.take(performance.now());
    if (!siblings.captureAll) return this.callSite(sampler);
    this.#budget.spend();
    return captureCallSite();
  }
}

function newCall(template: Template, request: OpenRequest | null, siblings: RequestTemplate | null, totals: CallTotals): Call {
  return { template, request, siblings, totals, sentAt: Number.NaN, checkout: null, record: null, rows: 0, receivedBytes: 0, done: false };
}
