import type { Drivers } from '../../statements/drivers.ts';
import type { Method } from '../../hooks/patch.ts';
import type { Observer } from '../../observer.ts';
import type { OpenRequest } from '../../requests/request.ts';
import type { PolicyContext } from '../policy.ts';
import type { BatchedStatement } from './batched-statement.ts';
import { standBefore, type CallGate } from './driver-calls.ts';
import type { PgQueryClass } from './pg-answers.ts';
import { isError, readCall, Runner, textOf, type Callback, type PromiseClass } from './pg-calls.ts';
import { RequestSite } from './request-site.ts';
import { RequestState } from './request-state.ts';
import { StatementBook, unknownText, type KnownText } from './statement-book.ts';
import { WriteFence } from './write-fence.ts';

/** What is used of a `pg.Pool`. */
interface PoolLike {
  readonly Client?: { readonly prototype: object; readonly Query?: PgQueryClass };
  readonly Promise?: PromiseClass;
  readonly options?: { readonly binary?: unknown; readonly pipeline?: unknown };
  readonly ending?: boolean;
  readonly _clients?: readonly object[];
}

/** What is used of a `pg.Client`. */
interface ClientLike {
  readonly constructor: { readonly Query?: PgQueryClass };
  readonly binary?: unknown;
  readonly pipeline?: unknown;
  readonly _Promise?: PromiseClass;
  readonly _txStatus?: unknown;
  readonly _activeQuery?: unknown;
  readonly _queryQueue?: readonly unknown[];
  readonly _ending?: boolean;
  readonly _queryable?: boolean;
}

const batchers = new WeakMap<Observer, Batcher>();

/**
 * Stands between the application and node-postgres while a statement is batched: one for all such policies of a process.
 * Every call of the driver passes here, so that a write is heard of whoever makes it; also while the policies are off, so
 * that switching one on does not begin in ignorance.
 */
export class Batcher implements CallGate {
  readonly #observer: Observer;
  readonly #drivers: Drivers;
  readonly #book = new StatementBook();
  readonly #around = { fence: new WriteFence(), waiting: new Set<RequestSite>() };
  /** Where a request keeps its state. Not a WeakMap: what such a map holds outlives every young collection of V8. */
  readonly #stateKey = Symbol('anneal.batching');
  /** Null: its driver, or one of its options, is not one that is known here. */
  readonly #runners = new WeakMap<object, Runner | null>();
  #standDown: (() => void) | null = null;
  #letPassAgain: (() => void) | null = null;

  static of({ observer, drivers }: PolicyContext): Batcher {
    const known = batchers.get(observer);
    if (known !== undefined) return known;
    const batcher = new Batcher(observer, drivers);
    batchers.set(observer, batcher);
    return batcher;
  }

  private constructor(observer: Observer, drivers: Drivers) {
    this.#observer = observer;
    this.#drivers = drivers;
  }

  add(statement: BatchedStatement): void {
    this.#standDown ??= standBefore(this.#drivers, this);
    // What a request will ask for next is kept with the request.
    this.#letPassAgain ??= this.#observer.openEvery();
    this.#book.add(statement);
  }

  remove(statement: BatchedStatement): void {
    this.letGo();
    this.#book.remove(statement);
    if (this.#book.statements.length > 0) return;
    this.#standDown?.();
    this.#standDown = null;
    this.#letPassAgain?.();
    this.#letPassAgain = null;
    batchers.delete(this.#observer);
  }

  /** What waits is sent, what was fetched ahead is forgotten. */
  letGo(): void {
    this.#around.fence.passed();
    this.inOrder();
  }

  meet(statement: unknown): KnownText | null {
    const known = this.#know(statement);
    if (known.readOnly) return known;
    this.#around.fence.passed();
    // Nothing that was asked before a write may be asked after it.
    this.inOrder();
    return null;
  }

  wrote(client: object): void {
    this.#around.fence.watch(client);
  }

  inOrder(): void {
    for (const site of this.#around.waiting) site.sendWaiting();
  }

  ask(
    { batched, feeds }: KnownText,
    kind: 'pool' | 'client',
    owner: object,
    run: Method,
    statement: unknown,
    values: unknown,
    callback: unknown,
  ): unknown {
    const request = batched === null && feeds === null ? null : this.#observer.current();
    const runner = request === null ? null : this.#runnerOf(kind, owner, run);
    if (request === null || runner === null) return run.call(owner, statement, values, callback);
    const state = this.#stateOf(request);
    if (batched?.acts === true && batched.meets(request)) {
      try {
        const asked = readCall(kind, statement, values, callback);
        if (asked !== null) return this.#siteOf(state, batched, feeds, runner).ask(asked);
      } catch (error) {
        batched.end(`it failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (feeds === null) return runner.run(statement, values, callback as Callback | undefined);
    return watched(runner, statement, values, callback, (result) => state.receive(feeds, result));
  }

  #know(statement: unknown): KnownText {
    const text = textOf(statement);
    if (text === null) return unknownText;
    try {
      return this.#book.of(text);
    } catch (error) {
      for (const batched of this.#book.statements) batched.end(`it failed: ${error instanceof Error ? error.message : String(error)}`);
      return unknownText;
    }
  }

  #runnerOf(kind: 'pool' | 'client', owner: object, run: Method): Runner | null {
    let runner = this.#runners.get(owner);
    if (runner === undefined) {
      runner = kind === 'pool' ? this.#poolRunner(owner, run) : clientRunner(owner as ClientLike, run);
      this.#runners.set(owner, runner);
    }
    const isReady = kind === 'pool' ? (owner as PoolLike).ending !== true : isIdle(owner as ClientLike);
    return isReady ? runner : null;
  }

  #poolRunner(pool: PoolLike, run: Method): Runner | null {
    const { Client, Promise: promise, options, _clients: clients = [] } = pool;
    const isHooked = Client !== undefined && [...this.#drivers.pgClients].some((known) => isOrInherits(Client.prototype, known));
    if (!isHooked || Client.Query === undefined || promise === undefined) return null;
    if (Boolean(options?.binary) || Boolean(options?.pipeline)) return null;
    // What was sent before anybody listened for it may have been a write.
    for (const client of clients) this.#around.fence.watch(client);
    return new Runner('pool', pool, Client.Query, run, promise);
  }

  #stateOf(request: OpenRequest): RequestState {
    const keeper: { [key: symbol]: RequestState | undefined } = request as OpenRequest & Record<symbol, RequestState | undefined>;
    return (keeper[this.#stateKey] ??= new RequestState(request));
  }

  #siteOf(state: RequestState, statement: BatchedStatement, feeds: string | null, runner: Runner): RequestSite {
    const known = state.siteOf(statement, runner);
    if (known !== undefined) return known;
    const site = new RequestSite(statement, runner, feeds, state, this.#around);
    state.add(site);
    return site;
  }
}

function isOrInherits(prototype: object, ancestor: object): boolean {
  return prototype === ancestor || Object.prototype.isPrototypeOf.call(ancestor, prototype);
}

function clientRunner(client: ClientLike, run: Method): Runner | null {
  const { Query } = client.constructor;
  const { _Promise: promise } = client;
  if (Query === undefined || promise === undefined || Boolean(client.binary) || Boolean(client.pipeline)) return null;
  return new Runner('client', client, Query, run, promise);
}

/** Connected, with nothing under way, and outside of a transaction: a batch that fails inside one would take the application's work with it. */
function isIdle({ _txStatus: transaction, _activeQuery: active, _queryQueue: queue, _ending, _queryable }: ClientLike): boolean {
  return transaction === 'I' && (active ?? null) === null && queue?.length === 0 && _ending !== true && _queryable !== false;
}

/** Makes a call as it is and shows its result to `received` before the application sees it. */
function watched(runner: Runner, statement: unknown, values: unknown, callback: unknown, received: (result: unknown) => void): unknown {
  const isLast = typeof values === 'function';
  const done = isLast ? values : callback;
  if (typeof done === 'function') {
    return runner.run(statement, isLast ? undefined : values, (error, result) => {
      if (!isError(error)) received(result);
      (done as Callback)(error, result);
    });
  }
  const returned = runner.run(statement, values, callback as undefined);
  if (typeof returned !== 'object' || returned === null || !('then' in returned)) return returned;
  // The promise handed on is one of our own, so that an error nobody handles stays unhandled.
  return (returned as Promise<unknown>).then((result) => {
    received(result);
    return result;
  });
}
