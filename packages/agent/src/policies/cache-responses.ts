import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { wrapMethod } from '../hooks/patch.ts';
import {
  answerBytes,
  recordAnswer,
  sameAnswer,
  sendAnswer,
  type Answer,
  type Outcome,
  type RecordingRules,
} from './cache-responses/answer.ts';
import { ignoredNames, requestKey, routeMatcher } from './cache-responses/request-key.ts';
import { KeptValues, type Kept } from './invalidation/kept-values.ts';
import type { CacheKnowledge } from './invalidation/knowledge.ts';
import type { Reading } from './invalidation/reading.ts';
import type { Look } from './invalidation/shared-generations.ts';
import { keptOn, trackerFor, type Dependent, type Tracker } from './invalidation/tracker.ts';
import type { PolicyControl, PolicyKind } from './policy.ts';

/**
 * Answers to GET are kept until something they were made of is written.
 *
 * Guaranteed: nobody is answered with less than what was acknowledged to anybody before, and nobody sees a value older
 * than one seen before, among the processes that share a Redis (one process without); writers elsewhere are seen as
 * late as the change stream is. What is no matter of the database (the clock, chance, variables of modules, the
 * client's address) cannot be seen; for that a share of the answers is made anew for ever, and one that differs
 * without a write that explains it ends the policy.
 *
 * A request that is answered from memory reaches none of the application's code: its access log does not have it.
 */
export interface CacheResponsesPolicy {
  readonly kind: 'cache-responses';
  /** Paths as the framework names them: `/posts/:id`. */
  readonly routes: readonly string[];
  readonly knowledge: CacheKnowledge;
  readonly maximumBytes: number;
  readonly maximumAgeMs?: number;
  /** 0.01 to 1 of the answers from memory are made anew and compared. */
  readonly shadowShare: number;
  /** Request headers that no answer depends on. To name one that tells identities apart is to share answers among them. */
  readonly ignoredHeaders?: readonly string[];
  /** Response headers that differ from time to time and mean nothing (a request's id): left out of kept answers. */
  readonly varyingHeaders?: readonly string[];
}

export const smallestShadowShare = 0.01;

export const cacheResponses: PolicyKind<CacheResponsesPolicy> = {
  kind: 'cache-responses',
  actsOn: 'requests',

  start(policy, context, others, control) {
    if (!(policy.shadowShare >= smallestShadowShare && policy.shadowShare <= 1))
      return `at least ${smallestShadowShare} of the answers have to be made anew`;
    if (!(policy.maximumBytes > 0) || policy.routes.length === 0) return 'there is nothing to keep, or no room for it';
    const rival = others.find((other) => other.policy.routes.some((route) => policy.routes.includes(route)));
    if (rival !== undefined) return `a route of it already follows the policy ${rival.id}`;
    const tracker = trackerFor(context, policy.knowledge);
    if (typeof tracker === 'string') return tracker;
    const cache = new ResponseCache(policy, tracker, control);
    let unwrap: (() => void)[] = [];
    return keptOn(tracker, cache, (on) => {
      for (const undo of unwrap) undo();
      unwrap = on ? serversWrapped(cache, control) : [];
    });
  },
};

function serversWrapped(cache: ResponseCache, control: PolicyControl): (() => void)[] {
  return [http.Server.prototype, https.Server.prototype].flatMap((server) => {
    const undo = wrapMethod(
      server,
      'emit',
      (original) =>
        function emit(this: unknown, ...args) {
          if (args[0] !== 'request' || !control.on) return Reflect.apply(original, this, args);
          const [, request, response] = args as ['request', IncomingMessage, ServerResponse];
          return cache.meet(request, response, () => original.call(this, 'request', request, response));
        },
    );
    return undo === null ? [] : [undo];
  });
}

type Patience = 'may wait' | 'has waited';

interface Computation {
  readonly done: Promise<void>;
  readonly finish: () => void;
}

/** One request, and whether the application has it. */
class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  route = '';
  key = '';
  passed = false;
  readonly #pass: () => unknown;

  constructor(request: IncomingMessage, response: ServerResponse, pass: () => unknown) {
    this.request = request;
    this.response = response;
    this.#pass = pass;
  }

  pass(): unknown {
    this.passed = true;
    return this.#pass();
  }
}

/** Nobody waits longer for somebody else's answer than for one of his own. */
const longestWaitMs = 2_000;
const mostWaiting = 5_000;
/** Beyond the lag of any stream that is alive. */
const explanationMs = 1_500;

const nothingDone = { hits: 0, misses: 0, waited: 0, bypasses: 0, kept: 0, refused: 0, stale: 0, comparisons: 0 };

class ResponseCache implements Dependent {
  readonly #policy: CacheResponsesPolicy;
  readonly #tracker: Tracker;
  readonly #control: PolicyControl;
  readonly #routeOf: (url: string) => string | null;
  readonly #rules: RecordingRules;
  readonly #kept: KeptValues<Answer>;
  readonly #computing = new Map<string, Computation>();
  /** Routes whose last answer was not kept: nobody waits for the next one. */
  readonly #hopeless = new Set<string>();
  #waiting = 0;
  #done = { ...nothingDone };

  constructor(policy: CacheResponsesPolicy, tracker: Tracker, control: PolicyControl) {
    this.#policy = policy;
    this.#tracker = tracker;
    this.#control = control;
    this.#routeOf = routeMatcher(policy.routes);
    this.#kept = new KeptValues(policy.maximumBytes);
    this.#rules = {
      ignoredRequestHeaders: ignoredNames(policy.ignoredHeaders ?? []),
      forOthersToo: (policy.ignoredHeaders ?? []).length > 0,
      varyingHeaders: new Set((policy.varyingHeaders ?? []).map((name) => name.toLowerCase())),
    };
  }

  clear(): void {
    this.#kept.clear();
    this.#hopeless.clear();
  }

  take(): Readonly<Record<string, number>> {
    const done = this.#done;
    this.#done = { ...nothingDone };
    return { ...done, keptAnswers: this.#kept.count, keptBytes: this.#kept.sizeBytes };
  }

  /** A request arrives. `pass` hands it to the application. */
  meet(request: IncomingMessage, response: ServerResponse, pass: () => unknown): unknown {
    const exchange = new Exchange(request, response, pass);
    try {
      const url = request.url ?? '/';
      const route = this.#routeOf(url);
      // Past what is kept, but followed: what it writes must reach those it is kept for.
      if (route !== null && this.#control.draw?.(request) === false) return this.#bypass(exchange);
      const key = route === null ? null : requestKey(request, this.#rules.ignoredRequestHeaders);
      if (route === null || key === null || !this.#tracker.trusted) {
        if (route !== null) this.#done.bypasses += 1;
        return this.#bypass(exchange);
      }
      exchange.route = route;
      exchange.key = key;
      if (this.#tracker.shared === null) return this.#answer(exchange, null, 'may wait', this.#kept.get(key));
      this.#later(exchange, this.#answerAmongMany(exchange, 'may wait'));
      return true;
    } catch (error) {
      return this.#failed(exchange, error);
    }
  }

  #bypass(exchange: Exchange): unknown {
    return this.#tracker.within(null, () => exchange.pass());
  }

  #later(exchange: Exchange, work: Promise<void>): void {
    work.catch((error: unknown) => {
      // The application's own error has to reach it as one that nobody caught, as it would have.
      if (exchange.passed) process.nextTick(() => this.#failed(exchange, error));
      else this.#failed(exchange, error);
    });
  }

  /** The policy's own failure costs the policy; the request goes on. */
  #failed(exchange: Exchange, error: unknown): unknown {
    if (exchange.passed) throw error;
    this.#control.end(messageOf(error));
    return exchange.response.headersSent ? true : exchange.pass();
  }

  /** Others write too: what they did is asked for first, in one round trip that also gives the clock to read by. */
  async #answerAmongMany(exchange: Exchange, patience: Patience): Promise<void> {
    const kept = this.#kept.get(exchange.key);
    const look = await this.#tracker.shared!.look(kept?.tags ?? []);
    if (look === null || !this.#control.on || !this.#tracker.trusted) {
      this.#done.bypasses += 1;
      this.#bypass(exchange);
    } else this.#answer(exchange, look, patience, kept);
  }

  /** `kept`: the entry whose tags `look` is about; one that came since then was not asked about. */
  #answer(exchange: Exchange, look: Look | null, patience: Patience, kept: Kept<Answer> | null): unknown {
    const { key, route, response } = exchange;
    if (kept !== null) {
      const { maximumAgeMs } = this.#policy;
      const verdict = this.#tracker.verdict(kept, look);
      const old = maximumAgeMs !== undefined && performance.now() - kept.keptAtMs > maximumAgeMs;
      if (verdict === 'fresh' && !old) {
        if (Math.random() < this.#policy.shadowShare) return this.#compute(exchange, look, kept);
        this.#done.hits += 1;
        sendAnswer(response, kept.value);
        return true;
      }
      if (verdict === 'passing') {
        this.#done.bypasses += 1;
        return this.#bypass(exchange);
      }
      this.#done.stale += 1;
      if (this.#kept.get(key) === kept) this.#kept.drop(key);
    }
    const computation = this.#computing.get(key);
    if (computation !== undefined && patience === 'may wait' && this.#waiting < mostWaiting && !this.#hopeless.has(route)) {
      this.#later(exchange, this.#await(computation, exchange));
      return true;
    }
    return this.#compute(exchange, look, null);
  }

  /** Somebody else is working on the same answer. */
  async #await(computation: Computation, exchange: Exchange): Promise<void> {
    this.#waiting += 1;
    this.#done.waited += 1;
    await computation.done;
    this.#waiting -= 1;
    if (!this.#control.on || !this.#tracker.trusted) this.#bypass(exchange);
    else if (this.#tracker.shared === null) this.#answer(exchange, null, 'has waited', this.#kept.get(exchange.key));
    else await this.#answerAmongMany(exchange, 'has waited');
  }

  #compute(exchange: Exchange, look: Look | null, compared: Kept<Answer> | null): unknown {
    const { key, route, request, response } = exchange;
    this.#done.misses += 1;
    const reading = this.#tracker.begin(look);
    const computation = this.#computing.has(key) ? null : this.#announce(key);
    recordAnswer(request, response, this.#rules, (outcome) => {
      try {
        if (compared === null) this.#finish(key, route, reading, outcome);
        else {
          this.#tracker.end(reading);
          void this.#compare(compared, outcome);
        }
      } catch (error) {
        this.#control.end(messageOf(error));
      }
      computation?.finish();
    });
    return this.#tracker.within(reading, () => exchange.pass());
  }

  #announce(key: string): Computation {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => computation.finish(), longestWaitMs).unref();
    const computation: Computation = {
      done: promise,
      finish: () => {
        clearTimeout(timer);
        if (this.#computing.get(key) === computation) this.#computing.delete(key);
        resolve();
      },
    };
    this.#computing.set(key, computation);
    return computation;
  }

  #finish(key: string, route: string, reading: Reading, outcome: Outcome): void {
    const keepable = this.#tracker.end(reading);
    if (outcome.kind === 'aborted') return;
    if (outcome.kind === 'refused' || !reading.complete) {
      this.#hopeless.add(route);
      this.#done.refused += 1;
      return;
    }
    this.#hopeless.delete(route);
    if (!keepable || !this.#control.on) return;
    this.#done.kept += 1;
    this.#kept.keep(key, outcome.answer, answerBytes(outcome.answer), reading.tags, reading);
  }

  /** The client has the new answer already; this is about whether the kept one would have been as good. */
  async #compare(kept: Kept<Answer>, outcome: Outcome): Promise<void> {
    // A server's failure is no answer.
    if (outcome.kind === 'aborted' || (outcome.kind === 'refused' && outcome.status >= 500)) return;
    this.#done.comparisons += 1;
    if (outcome.kind === 'answer' && sameAnswer(kept.value, outcome.answer)) return;
    const wasFresh = await this.#isStillFresh(kept);
    if (!wasFresh) return;
    if (this.#tracker.hearsLate) {
      // Somebody else's write may still be on its way here; meanwhile the answer in question is not given.
      if (this.#kept.get(kept.key) === kept) this.#kept.drop(kept.key);
      await sleep(explanationMs, null, { ref: false });
      if (!(await this.#isStillFresh(kept))) return;
    }
    const url = kept.key.slice(kept.key.indexOf(' ') + 1).split(/[?\n]/, 1)[0] ?? '';
    this.#control.end(`a kept answer of ${this.#routeOf(url) ?? 'a route'} was not what the application says now`);
  }

  /** No write explains a difference. */
  async #isStillFresh(kept: Kept<Answer>): Promise<boolean> {
    const { shared } = this.#tracker;
    const look = shared === null ? null : await shared.look(kept.tags);
    return this.#tracker.trusted && (shared === null || look !== null) && this.#tracker.verdict(kept, look) === 'fresh';
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
