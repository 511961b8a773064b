import { captureCaller } from '../places/call-site.ts';
import type { Observer } from '../observer.ts';
import type { SourceLocation } from '../protocol.ts';
import type { Call, OpenRequest } from '../requests/request.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, whenMade, type Method } from './patch.ts';

/** What the agent uses of a postgres.js `Query`. `string` is set when it is built, `active` when its connection turns to it. */
interface QueryLike {
  readonly strings: readonly string[] & { readonly raw?: unknown };
  readonly parameters?: readonly unknown[];
  readonly executed: boolean;
  handler: (query: QueryLike) => unknown;
  readonly canceller?: unknown;
  string?: string;
  active: boolean;
  resolve: (value: unknown) => unknown;
  reject: (error: unknown) => unknown;
}

interface Class {
  readonly prototype: object;
}

/** A query from when it is first awaited until its end. */
interface Followed {
  readonly request: OpenRequest | null;
  readonly entry: SourceLocation | null;
  call: Call | null;
  /** When a connection turned to it; NaN before. */
  sentAt: number;
  /** When it was written behind others on a connection that was busy; NaN where it was not. */
  queuedAt: number;
  /** What the query ends with now. */
  resolve: ((value: unknown) => unknown) | null;
  ended: boolean;
}

export const postgresJs: Library = { packages: { postgres: ['3.0', '4.0'] }, files: hookPostgresJs };

/**
 * Hooks for postgres.js. A query is made by the tagged call, where the application is on the stack,
 * and does nothing until it is awaited; its text is known only when it is built for a connection,
 * because fragments are queries too. Promises are never subscribed to: a query ends where the library
 * calls its `resolve` or `reject`.
 *
 * The strings of a tagged call are one object per place in the source (ECMAScript, 13.2.8.4): each
 * pays for one stack in its life. Only `unsafe` and what the library itself writes are sampled.
 */
function hookPostgresJs(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('postgres.js');
  const literals = new WeakMap<object, SourceLocation | null>();
  const made = new WeakMap<object, SourceLocation>();
  const followed = new WeakMap<object, Followed>();

  return [
    {
      path: 'postgres/src/query.js',
      names: ['Query'],
      meet,
      bundled: { methods: ['cursor', 'describe', 'handle', 'execute', 'readable'], as: 'Query', isPromise: true },
    },
    { path: 'postgres/cjs/src/query.js', meet },
  ];

  /**
   * The constructor keeps the four nearest frames for its errors, so nothing may stand around it: the
   * agent is called by the setter of a property that every query gets, and is gone when that is set.
   */
  function meet(exported: unknown): void {
    const { prototype } = (exported as { readonly Query: Class }).Query;
    patchMethod(prototype, 'handle', handle);
    whenMade(prototype, 'strings', (query, strings) => {
      if (!hook.on) return;
      try {
        locate(query, strings as QueryLike['strings']);
      } catch (error) {
        hook.failed(error);
      }
    });
  }

  /** With its maker on the stack. */
  function locate(query: object, strings: QueryLike['strings']): void {
    if (strings.raw !== undefined && observer.entries.current() === null) {
      const known = literals.get(strings);
      if (known === null) located(query);
      if (known !== undefined || !observer.follows) return;
      const { location, packageFrames } = captureCaller();
      // Further away than the tag and the constructor: a literal of a library, used for many.
      const own = location !== null && packageFrames <= 2;
      literals.set(strings, own ? location : null);
      if (!own && location !== null) made.set(query, location);
    } else located(query);
  }

  function located(query: object): void {
    const entry = observer.entries.current() ?? observer.enter();
    if (entry !== null) made.set(query, entry);
  }

  function handle(original: Method): Method {
    return function handle(this: unknown) {
      const query = this as QueryLike;
      if (hook.on) {
        try {
          if (!query.executed) follow(query);
          else settleThrough(query);
        } catch (error) {
          hook.failed(error);
        }
      }
      return original.call(this);
    };
  }

  function follow(query: QueryLike): void {
    // What a connection asks for itself (types) nobody can cancel.
    if (!observer.follows || typeof query.canceller !== 'function') return;
    const entry = made.get(query) ?? literals.get(query.strings) ?? null;
    followed.set(query, {
      request: observer.current(),
      entry,
      call: null,
      sentAt: Number.NaN,
      queuedAt: Number.NaN,
      resolve: null,
      ended: false,
    });
    settleThrough(query);
    const { handler } = query;
    query.handler = function handedOver(this: unknown, self) {
      query.handler = handler;
      const result = Reflect.apply(handler, this, [self]);
      try {
        handedOn(query);
      } catch (error) {
        hook.failed(error);
      }
      return result;
    };
  }

  /** A connection has it, or it waits for one. */
  function handedOn(query: QueryLike): void {
    const state = followed.get(query);
    if (state === undefined || state.ended) return;
    if (typeof query.string === 'string') built(query, state);
    // The last that is set of what is counted: the text is set before it.
    else
      whenSet(
        query,
        'parameters',
        guarded(() => built(query, state)),
      );
    if (query.active) state.sentAt = performance.now();
    else {
      if (state.call !== null) state.queuedAt = performance.now();
      whenSet(
        query,
        'active',
        guarded((active) => {
          if (active === true) turnedTo(state);
        }),
      );
    }
    if (state.call !== null) state.call.sentAt = state.sentAt;
  }

  function guarded(react: (value: unknown) => void): (value: unknown) => void {
    return (value) => {
      try {
        react(value);
      } catch (error) {
        hook.failed(error);
      }
    };
  }

  function turnedTo(state: Followed): void {
    state.sentAt = performance.now();
    if (state.call !== null) state.call.sentAt = state.sentAt;
    const { request } = state;
    if (!Number.isNaN(state.queuedAt) && request !== null && !request.closed) request.poolWaitMs += state.sentAt - state.queuedAt;
  }

  function built(query: QueryLike, state: Followed): void {
    if (state.call !== null || state.ended || typeof query.string !== 'string') return;
    const { string: sql, parameters } = query;
    const begin = () => observer.entries.during(state.entry, () => observer.call(sql, parameters));
    // A query that had to wait is built in the course of somebody else's.
    state.call = state.request === null ? begin() : observer.within(state.request, begin);
    if (state.call !== null) state.call.sentAt = state.sentAt;
  }

  /** The functions it ends with are its own, and cursors replace them between their rounds. */
  function settleThrough(query: QueryLike): void {
    const state = followed.get(query);
    if (state === undefined || state.ended || query.resolve === state.resolve) return;
    const { resolve, reject } = query;
    state.resolve = (value) => {
      finish(state, false, value);
      return resolve(value);
    };
    query.resolve = state.resolve;
    query.reject = (error) => {
      finish(state, true, undefined);
      return reject(error);
    };
  }

  /** A query that was refused before it was built has no text to be counted by. */
  function finish(state: Followed, failed: boolean, value: unknown): void {
    if (state.ended) return;
    state.ended = true;
    const { call } = state;
    if (call === null) return;
    try {
      const results = resultsOf(value);
      for (const result of results) call.rows += result.length > 0 ? result.length : (result.count ?? 0);
      observer.finished(call, failed, performance.now(), results[0]);
    } catch (error) {
      hook.failed(error);
    }
  }
}

type Result = readonly unknown[] & { readonly count?: number | null; readonly command?: unknown };

/** Several statements in one text give an array of results, each of them an array. */
function resultsOf(value: unknown): readonly Result[] {
  if (!Array.isArray(value)) return [];
  const results = value as readonly unknown[];
  return results.length > 0 && results.every((part) => Array.isArray(part) && 'command' in part)
    ? (results as readonly Result[])
    : [results];
}

const asPlain = (value: unknown): PropertyDescriptor => ({ value, writable: true, enumerable: true, configurable: true });

/** Calls back once the library sets the property, which is a plain one again from then on. */
function whenSet(owner: object, key: string, then: (value: unknown) => void): void {
  const before: unknown = Reflect.get(owner, key);
  Object.defineProperty(owner, key, {
    get: () => before,
    set(value: unknown) {
      Object.defineProperty(owner, key, asPlain(value));
      then(value);
    },
    enumerable: true,
    configurable: true,
  });
}
