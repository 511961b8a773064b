import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Observer } from '../observer.ts';
import { smallestShadowShare } from './cache-responses.ts';
import { copyResult, parametersKey, resultBytes, type ResultLike } from './cache-statements/kept-result.ts';
import { KeptValues, type Kept } from './invalidation/kept-values.ts';
import type { CacheKnowledge } from './invalidation/knowledge.ts';
import type { Reading } from './invalidation/reading.ts';
import type { Look } from './invalidation/shared-generations.ts';
import { keptOn, trackerFor, type Dependent, type Tracker } from './invalidation/tracker.ts';
import type { PolicyControl, PolicyKind } from './policy.ts';

/**
 * Results of statements sent through `Pool.query` are kept until one of their tables or rows is written. The guarantee
 * is that of kept answers (`cache-responses.ts`), and so is the watch over it. Statements inside of transactions, on
 * connections that the application took out, by callback, or with a shape of their own (`rowMode`, `types`) pass.
 */
export interface CacheStatementsPolicy {
  readonly kind: 'cache-statements';
  /** Of those in the knowledge. */
  readonly templates: readonly string[];
  readonly knowledge: CacheKnowledge;
  readonly maximumBytes: number;
  readonly maximumAgeMs?: number;
  readonly shadowShare: number;
}

export const cacheStatements: PolicyKind<CacheStatementsPolicy> = {
  kind: 'cache-statements',
  actsOn: 'requests',

  start(policy, context, others, control) {
    if (!(policy.shadowShare >= smallestShadowShare && policy.shadowShare <= 1))
      return `at least ${smallestShadowShare} of the results have to be read anew`;
    if (!(policy.maximumBytes > 0) || policy.templates.length === 0) return 'there is nothing to keep, or no room for it';
    const rival = others.find((other) => other.policy.templates.some((template) => policy.templates.includes(template)));
    if (rival !== undefined) return `a statement of it is already kept by the policy ${rival.id}`;
    const tracker = trackerFor(context, policy.knowledge);
    if (typeof tracker === 'string') return tracker;
    const cache = new StatementCache(policy, tracker, control, context.observer);
    return keptOn(tracker, cache, (on) => {
      for (const template of policy.templates) {
        if (on) tracker.answersPools.set(template, (pool, args, send) => cache.meet(pool, args, send));
        else tracker.answersPools.delete(template);
      }
    });
  },
};

type Result = ResultLike;
type Send = () => unknown;

/** Beyond the lag of any stream that is alive. */
const explanationMs = 1_500;
const plainConfiguration: ReadonlySet<string> = new Set(['text', 'values', 'name']);
const nothingDone = { hits: 0, misses: 0, waited: 0, kept: 0, stale: 0, comparisons: 0 };

class StatementCache implements Dependent {
  readonly #policy: CacheStatementsPolicy;
  readonly #tracker: Tracker;
  readonly #control: PolicyControl;
  readonly #observer: Observer;
  readonly #kept: KeptValues<Result>;
  readonly #reading = new Map<string, Promise<unknown>>();
  /** Two pools may lead to two databases. */
  readonly #pools = new WeakMap<object, number>();
  #lastPool = 0;
  #done = { ...nothingDone };

  constructor(policy: CacheStatementsPolicy, tracker: Tracker, control: PolicyControl, observer: Observer) {
    this.#policy = policy;
    this.#tracker = tracker;
    this.#control = control;
    this.#observer = observer;
    this.#kept = new KeptValues(policy.maximumBytes);
  }

  clear(): void {
    this.#kept.clear();
  }

  take(): Readonly<Record<string, number>> {
    const done = this.#done;
    this.#done = { ...nothingDone };
    return { ...done, keptResults: this.#kept.count, keptBytes: this.#kept.sizeBytes };
  }

  /** A call of `Pool.query` with one of the policy's statements; `send` lets it go on to the server. */
  meet(pool: object, [statement, values, callback]: readonly unknown[], send: Send): unknown {
    const acts = this.#control.on && this.#control.draw?.(this.#observer.current()) !== false;
    const key = acts && callback === undefined ? this.#keyOf(pool, statement, values) : null;
    if (key === null || !this.#tracker.trusted) return send();
    const asker = this.#tracker.current() ?? null;
    return this.#tracker.shared === null ? this.#answer(key, asker, null, send) : this.#answerAmongMany(key, asker, send);
  }

  #keyOf(pool: object, statement: unknown, values: unknown): string | null {
    let text = statement;
    let given = values;
    if (typeof statement === 'object' && statement !== null) {
      if (!Object.keys(statement).every((name) => plainConfiguration.has(name))) return null;
      ({ text, values: given = values } = statement as { readonly text?: unknown; readonly values?: unknown });
    }
    if (typeof text !== 'string' || (given !== undefined && !Array.isArray(given))) return null;
    const parameters = parametersKey(given as readonly unknown[] | undefined);
    if (parameters === null) return null;
    let number = this.#pools.get(pool);
    if (number === undefined) {
      this.#lastPool += 1;
      number = this.#lastPool;
      this.#pools.set(pool, number);
    }
    return `${number} ${text}${parameters}`;
  }

  async #answerAmongMany(key: string, asker: Reading | null, send: Send): Promise<unknown> {
    const kept = this.#kept.get(key);
    const look = await this.#tracker.shared!.look(kept?.tags ?? []);
    if (look === null || !this.#tracker.trusted) return send();
    return this.#answer(key, asker, look, send, kept);
  }

  async #answer(
    key: string,
    asker: Reading | null,
    look: Look | null,
    send: Send,
    kept = look === null ? this.#kept.get(key) : null,
  ): Promise<unknown> {
    if (kept !== null) {
      const verdict = this.#tracker.verdict(kept, look);
      const { maximumAgeMs } = this.#policy;
      const old = maximumAgeMs !== undefined && performance.now() - kept.keptAtMs > maximumAgeMs;
      if (verdict === 'passing') return send();
      if (verdict === 'fresh' && !old) {
        if (Math.random() < this.#policy.shadowShare) return this.#compare(kept, await send());
        const copy = copyResult(kept.value);
        if (copy !== null) {
          this.#done.hits += 1;
          asker?.includes(kept.tags, kept);
          return copy;
        }
      }
      this.#done.stale += 1;
      if (this.#kept.get(key) === kept) this.#kept.drop(key);
    }
    const other = this.#reading.get(key);
    if (other === undefined) return this.#read(key, asker, look, send);
    this.#done.waited += 1;
    await other;
    const made = this.#kept.get(key);
    // Among many the result would have to be asked about once more: as dear as reading it.
    if (look !== null || made === null || !this.#tracker.trusted || this.#tracker.verdict(made, null) !== 'fresh') return send();
    const copy = copyResult(made.value);
    if (copy === null) return send();
    this.#done.hits += 1;
    asker?.includes(made.tags, made);
    return copy;
  }

  async #read(key: string, asker: Reading | null, look: Look | null, send: Send): Promise<unknown> {
    this.#done.misses += 1;
    const reading = this.#tracker.beginOne(look);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reading.set(key, promise);
    let keepable = false;
    try {
      const result = await this.#tracker.within(reading, async () => send());
      keepable = this.#tracker.end(reading);
      if (keepable && this.#control.on) this.#keep(key, reading, result as Result);
      return result;
    } finally {
      this.#tracker.end(reading);
      if (reading.complete) asker?.includes([...reading.tags], reading);
      else asker?.refuse(reading.refusal ?? 'a statement of it failed');
      this.#reading.delete(key);
      resolve();
    }
  }

  #keep(key: string, reading: Reading, result: Result): void {
    const copy = copyResult(result);
    if (copy === null) return;
    this.#done.kept += 1;
    this.#kept.keep(key, copy, resultBytes(copy), reading.tags, reading);
  }

  /** The new result is the one that is given; whether the kept one would have been as good is found out behind it. */
  #compare(kept: Kept<Result>, result: unknown): unknown {
    this.#done.comparisons += 1;
    if (!isDeepStrictEqual((result as Result).rows, kept.value.rows)) void this.#accuse(kept);
    return result;
  }

  async #accuse(kept: Kept<Result>): Promise<void> {
    if (this.#kept.get(kept.key) === kept) this.#kept.drop(kept.key);
    if (!(await this.#isStillFresh(kept))) return;
    if (this.#tracker.hearsLate) {
      await sleep(explanationMs, null, { ref: false });
      if (!(await this.#isStillFresh(kept))) return;
    }
    this.#control.end('a kept result was not what the database says now');
  }

  async #isStillFresh(kept: Kept<Result>): Promise<boolean> {
    const { shared } = this.#tracker;
    const look = shared === null ? null : await shared.look(kept.tags);
    return this.#tracker.trusted && (shared === null || look !== null) && this.#tracker.verdict(kept, look) === 'fresh';
  }
}
