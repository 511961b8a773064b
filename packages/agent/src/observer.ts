import { AsyncLocalStorage } from 'node:async_hooks';
import { CaptureBudget, captureCaller, captureCallSite, nearStack, placesAreFull, type CallSiteSampler } from './places/call-site.ts';
import { Drivers } from './statements/drivers.ts';
import { Entries } from './places/entries.ts';
import { Examination } from './answers/examination.ts';
import { mostResults } from './requests/fold-request.ts';
import { alone, Following, type Look } from './requests/following.ts';
import { Destinations, OutgoingCall } from './outgoing/outgoing.ts';
import { HttpOperations } from './outgoing/outgoing-http.ts';
import type { PassingReplacement } from './hooks/patch.ts';
import { heapQuestionAfter, type HeapQuestion } from './process/heap-question.ts';
import { fewestValues } from './requests/parent.ts';
import { Pools } from './statements/pools.ts';
import { Problems } from './problems.ts';
import type { AgentSummary, OutgoingKind, SourceLocation } from './protocol.ts';
import { Call, OpenRequest } from './requests/request.ts';
import { Routes } from './requests/routes.ts';
import { Runtime } from './process/runtime.ts';
import type { SqlDialect } from './statements/sql-template.ts';
import { Templates, type Template } from './statements/statements.ts';
import { TimelineRecorder } from './process/timeline.ts';

/** The first requests of a window are followed, and counted at once and in full: they teach which places and parents there are. */
const firstRequests = 64;

/** Later ones are counted 32 at a time: some 10 us each in one go, which no event loop notices. */
const countedTogether = 32;

/** Far beyond any loop that is worth describing more exactly; about 1 MB. */
const mostCalls = 5_000;

/** Of all open requests together, about 20 MB: thousands of event streams that query and never end. */
const mostOpenCalls = 100_000;

/** Results are kept for the first requests, then for 1 of 16: where parameters come from does not change. */
const keepsRowsThenOneIn = 16;
const mostRowsKept = 1_000;

/** One place where the agent touches the application. An error of the agent's own ends it for good: the application goes on without. */
export class Hook {
  /** Whether the agent observes here. A plain property: it is read at every call that the application makes. */
  on: boolean;
  readonly #name: string;
  readonly #observer: Observer;
  #broken = false;

  constructor(name: string, observer: Observer) {
    this.#name = name;
    this.#observer = observer;
    this.on = observer.on;
  }

  get isBroken(): boolean {
    return this.#broken;
  }

  switch(on: boolean): void {
    this.on = on && !this.#broken;
  }

  failed(error: unknown): void {
    this.#broken = true;
    this.on = false;
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
  readonly drivers = new Drivers();
  readonly entries = new Entries();
  readonly pools = new Pools(this.problems);
  readonly #storage = new AsyncLocalStorage<OpenRequest>();
  /** Within a call to another service that is told as a whole. */
  readonly #calling = new AsyncLocalStorage<OutgoingCall>();
  readonly #templates = new Templates(this.problems);
  readonly #destinations = new Destinations(this.problems);
  readonly #operations = new HttpOperations();
  readonly #routes = new Routes(this.problems);
  /** For the profile that is being taken, if any. */
  readonly timeline = new TimelineRecorder();
  readonly #runtime = new Runtime();
  /** As the last window gives reason to. */
  heapQuestion: HeapQuestion = 'who keeps';
  readonly #budget = new CaptureBudget();
  readonly #following = new Following();
  /** In whose context requests run that are let pass: one for all of them, and closed from the beginning. */
  readonly #passed = closedRequest();
  /** Who needs every request opened. */
  readonly #everyRequest = new Set<object>();
  readonly examination = new Examination();
  /** What the last request arrived in. */
  #look = alone;
  /** Closed, and not counted yet. */
  #closed: OpenRequest[] = [];
  #opened = 0;
  /** Opened and not closed yet. */
  #underWay = 0;
  /** Calls of requests that are not counted yet. */
  #openCalls = 0;
  readonly #touching: Hook[] = [];
  readonly #switched: ((on: boolean) => void)[] = [];
  readonly #inPlaceAtFirst: PassingReplacement[] = [];
  #actsToo = false;
  #windowFromMs = performance.now();

  /** For hooks that are only in place while observing. */
  whenSwitched(listener: (on: boolean) => void): void {
    this.#switched.push(listener);
  }

  /** The same for a method of a library. */
  whileOn(replacement: PassingReplacement): void {
    replacement.switch(this.on);
    this.whenSwitched((on) => replacement.switch(on));
  }

  /**
   * The same for one that applications keep a reference to (`pool.query.bind(pool)`), or that is needed before anybody observes:
   * it is in place from the beginning until an observation ends. A reference that is taken later, while nobody observes, is one
   * to the library's own method, and what is called through it stays untold.
   */
  whileOnAndAtFirst(replacement: PassingReplacement): void {
    this.#inPlaceAtFirst.push(replacement);
    if (this.#actsToo) replacement.stay();
    else replacement.switch(true);
    this.whenSwitched((on) => replacement.switch(on));
  }

  /** Policies are coming. They stand before what the agent has in place, which must not be put over them later: it stays. */
  actsToo(): void {
    this.#actsToo = true;
    for (const replacement of this.#inPlaceAtFirst) replacement.stay();
  }

  switch(on: boolean): void {
    if (on === this.on) return;
    if (on) {
      this.#runtime.start();
      this.on = true;
      // No rate is counted over the time in between.
      this.#following.begin();
      this.examination.resume(performance.now());
    } else {
      this.#runtime.stop();
      this.on = false;
    }
    for (const hook of this.#touching) hook.switch(on);
    for (const listener of this.#switched) {
      try {
        listener(on);
      } catch (error) {
        // An application may freeze what a listener replaces; the others go on.
        this.problems.note(`observation was not switched ${on ? 'on' : 'off'} everywhere: ${String(error)}`);
      }
    }
  }

  hook(name: string): Hook {
    const hook = new Hook(name, this);
    this.#touching.push(hook);
    return hook;
  }

  /** For policies, profiles and exact counters: until the function returned is called no request is let pass, whatever the traffic. */
  openEvery(): () => void {
    const asker = {};
    this.#following.restart();
    this.#everyRequest.add(asker);
    return () => {
      this.#everyRequest.delete(asker);
      this.#following.restart();
    };
  }

  /** A request arrives. Null where it is let pass: others stand for it. */
  open(method: string): OpenRequest | null {
    const nowMs = performance.now();
    const look = this.#following.arrives(nowMs, this.#underWay);
    if (look !== null && look !== this.#look) this.#nextLook(look);
    const every = this.#everyRequest.size > 0;
    if (look === null && !every) return null;
    this.#opened += 1;
    this.#underWay += 1;
    this.timeline.turned(nowMs);
    const followed = look !== null;
    const examined = this.examination.takesNext(nowMs) || this.#opened <= firstRequests;
    const keepsRows = followed && (examined || this.#opened % keepsRowsThenOneIn === 0);
    return new OpenRequest(method, nowMs, every ? alone : look!, followed, keepsRows, examined);
  }

  /** Null for one that is let pass: what it does is neither a request's own nor work of no request. */
  within<Result>(request: OpenRequest | null, work: () => Result): Result {
    return this.#storage.run(request ?? this.#passed, work);
  }

  /**
   * For a connection whose requests are to come: they begin in the context of those that are let pass, and only the others
   * have to be given one of their own.
   */
  connected<Result>(work: () => Result): Result {
    return this.#storage.run(this.#passed, work);
  }

  /** For what a connection becomes once it serves no requests any more, or none that anybody sees: work of no request. */
  apart<Result>(work: () => Result): Result {
    return this.#storage.exit(work);
  }

  /** Whether GETs that arrive now are compared with those under way. */
  get comparesReads(): boolean {
    return this.#following.compares;
  }

  get allocatedPerCpuSecond(): number {
    return this.#runtime.allocatedPerCpuSecond;
  }

  /** The request that the running code belongs to. What a request leaves behind after its response is background work. */
  current(): OpenRequest | null {
    const request = this.#storage.getStore();
    return request === undefined || request.closed ? null : request;
  }

  /** Whether what the running code calls is to be told in detail: that of followed requests, and of none. */
  get follows(): boolean {
    const request = this.#storage.getStore();
    if (request === this.#passed) return false;
    return request === undefined || request.followed || request.closed;
  }

  /** The response is closed: nothing it starts from now on is its own. */
  close(request: OpenRequest, outcome: Pick<OpenRequest, 'failed' | 'responseBytes'> & { readonly route: string }): void {
    request.closedAt = performance.now();
    request.route = outcome.route;
    request.failed = outcome.failed;
    request.responseBytes = outcome.responseBytes;
    if (request.followed) this.#following.ended(request.calls.length + (request.outgoing?.length ?? 0));
    if (request.outgoing !== null) for (const call of request.outgoing) call.settle();
    this.timeline.closed(request);
    this.#underWay -= 1;
    this.#closed.push(request);
    if (this.#opened <= firstRequests || this.#closed.length >= countedTogether) this.#count();
  }

  /**
   * Where the application enters a library that will call its driver later (see `entries.ts`). Null when
   * the stack is not taken, or what comes of it is a part of an entry further out.
   */
  enter(): SourceLocation | null {
    if (!this.on || !this.follows || this.entries.current() !== null) return null;
    const request = this.current();
    const wants = request === null ? this.#affords() : this.#wantsPlace(this.entries, request);
    return wants ? (captureCallSite(nearStack) ?? this.#place()) : null;
  }

  /** The application calls a statement. Null when it cannot be counted any more. */
  call(sql: string, values: readonly unknown[] | undefined, dialect?: SqlDialect): Call | null {
    const template = this.#templates.of(sql, dialect);
    const literals = template.hasLiterals ? sql : '';
    const request = this.current();
    if (request === null) return this.#backgroundCall(template, literals, values);
    if (request.calls.length >= mostCalls || this.#openCalls >= mostOpenCalls) {
      this.problems.note(
        request.calls.length >= mostCalls
          ? `a statement was not counted: its request had already made ${mostCalls} calls`
          : `a statement was not counted: requests that are still open had already made ${mostOpenCalls} calls`,
      );
      return null;
    }
    this.#openCalls += 1;
    const call = new Call(template, request, this.#callSite(template, request), literals, values);
    request.calls.push(call);
    if (template.transactions !== 0) request.openTransactions += template.transactions;
    return call;
  }

  /** `rows` are those that the application receives. */
  finished(call: Call, failed: boolean, nowMs: number, rows?: readonly unknown[]): void {
    if (call.done) return;
    call.endedAt = nowMs;
    call.failed = failed;
    const { request } = call;
    if (request !== null) {
      call.ended = request.nextSequence();
      if (request.keepsRows && rows !== undefined && rows.length >= fewestValues && rows.length <= mostRowsKept) keep(rows, call, request);
    }
    if (call.totals !== null) call.addTo(call.totals);
  }

  /**
   * The application calls another service: null when its request is not followed, when there is none
   * (what timers do is not told), or when the call is a part of one that is told already.
   */
  outgoing(kind: OutgoingKind, peer: string, operation: string, identity: string | readonly unknown[]): OutgoingCall | null {
    const request = this.current();
    if (request === null || !request.followed || this.#calling.getStore() !== undefined) return null;
    request.outgoing ??= [];
    if (request.outgoing.length + request.calls.length >= mostCalls) {
      this.problems.note(`an outgoing call was not counted: its request had already made ${mostCalls} calls`);
      return null;
    }
    const destination = this.#destinations.of(kind, peer, operation);
    const caller = this.#wantsPlace(destination, request) ? captureCaller() : null;
    const call = new OutgoingCall(destination, request, caller, identity, performance.now());
    request.outgoing.push(call);
    return call;
  }

  /** The same of an HTTP call; `path` with its query. */
  outgoingHttp(peer: string, method: string, path: string): OutgoingCall | null {
    if (!this.follows || this.#storage.getStore() === undefined) return null;
    return this.outgoing('http', peer, this.#operations.nameOf(peer, method, path), `${method} ${path}`);
  }

  /** Runs the making of a call that is told as a whole: what it calls in turn is its own. */
  whileCalling<Result>(call: OutgoingCall, work: () => Result): Result {
    return this.#calling.run(call, work);
  }

  /** The call as whose part the running code calls. */
  calling(): OutgoingCall | null {
    return this.#calling.getStore() ?? null;
  }

  /** Whether it is known where the route sends its answers from. */
  knowsAnswers(method: string, route: string): boolean {
    return this.#routes.knowsAnswers(method, route);
  }

  /** A framework tells where a route is declared; asked for where no stack shows where it is answered. */
  declared(method: string, route: string, location: SourceLocation): void {
    this.#routes.declared(method, route, location);
  }

  /** For places other than statements, such as checkouts. */
  callSite(sampler: CallSiteSampler): SourceLocation | null {
    const entered = this.entries.current();
    if (entered !== null) return entered;
    return sampler.wants() ? this.#place() : null;
  }

  /** A checked-out connection is back. Its idle time is its request's, ended or not. */
  heldIdle(request: OpenRequest, location: SourceLocation | null, durationMs: number): void {
    if (request.counted) this.#routes.heldAfter(request, location, durationMs);
    else request.heldIdle(location, durationMs);
  }

  take(profile: AgentSummary['profile']): Omit<AgentSummary, 'policies'> {
    if (placesAreFull()) this.problems.note('places of the application are not told apart any more: there are more than the agent keeps');
    const fromMs = this.#windowFromMs;
    const toMs = performance.now();
    this.#windowFromMs = toMs;
    this.#opened = 0;
    this.#following.restart();
    this.#count();
    this.#routes.settle();
    const { routes, background, templates } = this.#routes.take();
    const runtime = this.#runtime.take();
    this.heapQuestion = heapQuestionAfter(runtime, toMs - fromMs);
    return {
      fromMs: performance.timeOrigin + fromMs,
      toMs: performance.timeOrigin + toMs,
      hooks: [...this.hooks],
      runtime,
      routes,
      background,
      statementTexts: [...templates].map((template) => template.take()),
      pools: this.pools.take(),
      profile,
      problems: this.problems.take(),
    };
  }

  #nextLook(look: Look): void {
    this.#look = look;
    this.#routes.settle();
  }

  #count(): void {
    const closed = this.#closed;
    this.#closed = [];
    for (const request of closed) {
      this.#openCalls -= request.calls.length;
      this.#routes.count(request);
    }
  }

  #backgroundCall(template: Template, literals: string, values: readonly unknown[] | undefined): Call | null {
    template.sampleParameters(values);
    const location = this.callSite(template.sampler);
    const standsFor = this.#storage.getStore()?.look.times() ?? 1;
    const totals = this.#routes.background(template, location, standsFor);
    if (totals === null) return null;
    const call = new Call(template, null, location, literals, values);
    call.standsFor = standsFor;
    call.totals = totals;
    return call;
  }

  #callSite(template: Template, request: OpenRequest): SourceLocation | null {
    const entered = this.entries.current();
    if (entered !== null) return entered;
    return this.#wantsPlace(template, request) ? this.#place() : null;
  }

  #place(): SourceLocation | null {
    return captureCallSite() ?? this.entries.enclosing();
  }

  /** Whether this call pays for a stack. */
  #wantsPlace(subject: { readonly sampler: CallSiteSampler }, request: OpenRequest): boolean {
    const { sampler } = subject;
    if (!sampler.severalPlaces) return sampler.wants();
    request.captures ??= new Map();
    let all = request.captures.get(subject);
    if (all === undefined) {
      all = this.#budget.take(performance.now());
      request.captures.set(subject, all);
    }
    if (!all) return sampler.wants();
    this.#budget.spend();
    return true;
  }

  /** The same for work of no request. */
  #affords(): boolean {
    if (!this.#budget.take(performance.now())) return false;
    this.#budget.spend();
    return true;
  }
}

function closedRequest(): OpenRequest {
  const request = new OpenRequest('', 0, alone, false, false);
  request.closedAt = 0;
  return request;
}

/** More results than are looked through would only be memory, in a request that streams for hours. */
function keep(rows: readonly unknown[], call: Call, request: OpenRequest): void {
  if (request.keptResults >= mostResults) return;
  request.keptResults += 1;
  call.received = rows;
}
