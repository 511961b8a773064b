import type { Call, Observer } from '../observer.ts';
import { trimOnRelease } from '../policies.ts';
import { Checkout, type PoolLike, type PoolRecord } from '../pools.ts';
import type { SourceLocation } from '../protocol.ts';
import type { OpenRequest } from '../request.ts';
import type { ModuleHooks } from './modules.ts';
import { patchMethod, type Method } from './patch.ts';

/** What the agent uses of a `pg.Client`. */
interface ClientLike {
  readonly _queryQueue?: readonly object[];
}

/** What the agent uses of a `pg.Query`, and of anything else a client can submit (`pg-cursor`, `pg-query-stream`). */
interface QueryLike {
  [callOf]?: Call;
  readonly _canceledDueToError?: unknown;
  readonly _result?: { readonly rows?: readonly unknown[]; readonly rowCount?: number | null };
}

const callOf = Symbol('anneal.call');

interface Constructor {
  readonly prototype: object;
  new (...args: unknown[]): object;
}

/** A caller that asked a pool for a connection. */
interface Arrival {
  readonly pool: PoolLike;
  readonly record: PoolRecord;
  readonly request: OpenRequest | null;
  /** Whether the application asked for the connection itself, and so decides how long it keeps it. */
  readonly byApplication: boolean;
  readonly location: SourceLocation | null;
  readonly at: number;
  readonly mustWait: boolean;
}

type Callback = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Hooks for node-postgres. The application's calls are met at `Pool.query`, `Pool.connect` and
 * `Client.query`, where its own code is still on the stack; what comes back is met at the query
 * object. pg runs callbacks out of its own queue, so the request travels with the call and is
 * never asked for at completion.
 *
 * Promises are never subscribed to on the side: an error nobody handles stays unhandled.
 */
export function hookPg(observer: Observer): ModuleHooks {
  const hook = observer.hook('pg');
  const connections = new WeakMap<object, { checkout: Checkout | null }>();
  const queryPrototypes: object[] = [];
  /** Handed from `Pool.query` to the `connect` inside it, and from there to the `query` on the client it got; both synchronous. */
  let pooled: Call | null = null;
  let checkedOut: Call | null = null;
  /** Handed from `Client.query` to the submission inside it. */
  let submitting: Call | null = null;

  return { pgClient: guarded(hookClient), pgPool: guarded(hookPool) };

  function guarded(install: (exported: Constructor) => unknown): (exported: unknown) => unknown {
    return (exported) => {
      try {
        return typeof exported === 'function' ? install(exported as Constructor) : exported;
      } catch (error) {
        hook.failed(error);
        return exported;
      }
    };
  }

  function hookPool(Pool: Constructor): unknown {
    const prototype = Pool.prototype;
    patchMethod(prototype, 'query', poolQuery);
    patchMethod(prototype, 'connect', poolConnect);
    // A pool is named by where it is made, so it has to be seen being made.
    return new Proxy(Pool, {
      construct(target, args, newTarget) {
        const pool = Reflect.construct(target, args, newTarget) as PoolLike;
        try {
          recordOf(pool);
        } catch (error) {
          hook.failed(error);
        }
        return pool;
      },
    });
  }

  function hookClient(Client: Constructor & { readonly Query?: Constructor }): unknown {
    patchMethod(Client.prototype, 'query', clientQuery);
    const query = Client.Query?.prototype;
    if (query !== undefined) {
      queryPrototypes.push(query);
      patchMethod(query, 'submit', submit);
      patchMethod(query, 'handleDataRow', handleDataRow);
      patchMethod(query, 'handleReadyForQuery', handleReadyForQuery);
      patchMethod(query, 'handleError', handleError);
    }
    return Client;
  }

  function recordOf(pool: PoolLike): PoolRecord {
    const known = observer.pools.recordOf(pool);
    if (known !== undefined) return known;
    const record = observer.pools.register(pool);
    pool.on('release', (_error, client) => {
      try {
        released(record, client);
      } catch (error) {
        hook.failed(error);
      }
    });
    return record;
  }

  function poolQuery(original: Method): Method {
    return function query(this: unknown, ...args) {
      if (!hook.on || typeof args[0] === 'function') return Reflect.apply(original, this, args);
      pooled = begin(args);
      try {
        return Reflect.apply(original, this, args);
      } finally {
        // The pool never asked for a connection: it refused the call.
        if (pooled !== null) observer.finished(pooled, true);
        pooled = null;
      }
    };
  }

  function poolConnect(original: Method): Method {
    return function connect(this: unknown, ...args) {
      const call = pooled;
      pooled = null;
      if (!hook.on) return Reflect.apply(original, this, args);
      const pool = this as PoolLike;
      let arrival: Arrival;
      try {
        arrival = arrive(pool, call);
      } catch (error) {
        hook.failed(error);
        return Reflect.apply(original, this, args);
      }
      const callback = args[0];
      if (typeof callback !== 'function') {
        const result = Reflect.apply(original, this, args);
        noteWaiting(arrival);
        if (!isPromise(result)) return result;
        return result.then(
          (client) => {
            acquired(arrival, client);
            return client;
          },
          (error: unknown) => {
            acquired(arrival, undefined);
            throw error;
          },
        );
      }
      args[0] = function acquiredClient(this: unknown, ...answer: unknown[]) {
        const failed = answer[0] !== undefined && answer[0] !== null;
        acquired(arrival, failed ? undefined : answer[1]);
        if (failed && call !== null) observer.finished(call, true);
        checkedOut = failed ? null : call;
        try {
          return Reflect.apply(callback as Callback, this, answer);
        } finally {
          checkedOut = null;
        }
      };
      const result = Reflect.apply(original, this, args);
      noteWaiting(arrival);
      return result;
    };
  }

  function clientQuery(original: Method): Method {
    return function query(this: unknown, ...args) {
      let call = checkedOut;
      checkedOut = null;
      // A query that goes through a pool was counted there, when the application called it.
      if (call === null && hook.on) call = begin(args);
      if (call === null) return Reflect.apply(original, this, args);
      const client = this as ClientLike & object;
      const queued = client._queryQueue?.length ?? 0;
      try {
        observer.sent(call);
        beginOnConnection(client, call);
        const submitted = args[0];
        if (isSubmittable(submitted)) follow(submitted, call);
        else if (queued === 0) submitting = call;
      } catch (error) {
        hook.failed(error);
      }
      try {
        return Reflect.apply(original, this, args);
      } catch (error) {
        finish(call, true);
        throw error;
      } finally {
        submitting = null;
        const last: QueryLike | undefined = client._queryQueue?.at(-1);
        // Not sent yet: the connection is still being made, or busy with an earlier query.
        if (last !== undefined && last[callOf] === undefined && (client._queryQueue?.length ?? 0) > queued) last[callOf] = call;
      }
    };
  }

  function submit(original: Method): Method {
    return function submit(this: unknown, ...args) {
      if (submitting !== null) {
        (this as QueryLike)[callOf] ??= submitting;
        submitting = null;
      }
      return Reflect.apply(original, this, args);
    };
  }

  function handleDataRow(original: Method): Method {
    return function handleDataRow(this: unknown, ...args) {
      const call = (this as QueryLike)[callOf];
      if (call !== undefined) {
        call.rows += 1;
        call.receivedBytes += (args[0] as { readonly length: number }).length;
      }
      return Reflect.apply(original, this, args);
    };
  }

  function handleReadyForQuery(original: Method): Method {
    return function handleReadyForQuery(this: unknown, ...args) {
      const query = this as QueryLike;
      const call = query[callOf];
      if (call !== undefined && !call.done) {
        // Statements without rows to give still changed some: pg_stat_statements counts them the same way.
        if (call.rows === 0) call.rows = query._result?.rowCount ?? 0;
        finish(call, Boolean(query._canceledDueToError), query._result?.rows);
      }
      return Reflect.apply(original, this, args);
    };
  }

  function handleError(original: Method): Method {
    return function handleError(this: unknown, ...args) {
      const call = (this as QueryLike)[callOf];
      if (call !== undefined) finish(call, true);
      return Reflect.apply(original, this, args);
    };
  }

  function begin(args: readonly unknown[]): Call | null {
    try {
      const [statement, values] = args;
      const sql = textOf(statement);
      return sql === null ? null : observer.call(sql, valuesOf(statement, values));
    } catch (error) {
      hook.failed(error);
      return null;
    }
  }

  function finish(call: Call, failed: boolean, rows?: readonly unknown[]): void {
    if (call.done) return;
    try {
      call.checkout?.queryEnds(performance.now());
      observer.finished(call, failed, rows);
    } catch (error) {
      hook.failed(error);
    }
  }

  function beginOnConnection(client: object, call: Call): void {
    const checkout = connections.get(client)?.checkout;
    if (checkout === undefined || checkout === null) return;
    checkout.queryBegins(call.sentAt);
    call.checkout = checkout;
  }

  /** A cursor or stream has no prototype the agent knows: its own methods are wrapped, for this one use. */
  function follow(submitted: QueryLike & object, call: Call): void {
    Object.defineProperty(submitted, callOf, { value: call, configurable: true, writable: true });
    if (queryPrototypes.some((prototype) => Object.prototype.isPrototypeOf.call(prototype, submitted))) return;
    patchMethod(submitted, 'handleDataRow', handleDataRow);
    patchMethod(submitted, 'handleReadyForQuery', handleReadyForQuery);
    patchMethod(submitted, 'handleError', handleError);
  }

  function arrive(pool: PoolLike, call: Call | null): Arrival {
    const record = recordOf(pool);
    return {
      pool,
      record,
      request: call === null ? observer.current() : call.request,
      byApplication: call === null,
      location: call === null ? observer.callSite(record.sampler) : null,
      at: performance.now(),
      // Those who came earlier take the idle connections and the room for new ones first.
      mustWait: pool.waitingCount >= pool.idleCount + Math.max(pool.options.max - pool.totalCount, 0),
    };
  }

  function noteWaiting({ pool, record: { window } }: Arrival): void {
    if (pool.waitingCount > window.peakWaiting) window.peakWaiting = pool.waitingCount;
  }

  /** The wait is over: with a client, or without one after a failure. */
  function acquired({ pool, record, request, byApplication, location, at, mustWait }: Arrival, client: unknown): void {
    try {
      const now = performance.now();
      const { window } = record;
      // Making a new connection takes time too, but nobody else's release would have shortened it.
      const waitMs = mustWait ? now - at : 0;
      window.checkouts += 1;
      window.wait.recordMs(waitMs);
      if (mustWait) window.waits += 1;
      if (request !== null && !request.closed) request.poolWaitMs += waitMs;
      if (typeof client !== 'object' || client === null) return;
      window.peakInUse = Math.max(window.peakInUse, pool.totalCount - pool.idleCount);
      const checkout = new Checkout(record, byApplication ? request : null, location, now);
      const connection = connections.get(client);
      if (connection === undefined) connections.set(client, { checkout });
      else connection.checkout = checkout;
    } catch (error) {
      hook.failed(error);
    }
  }

  function released(record: PoolRecord, client: object): void {
    if (record.trimming) trimOnRelease(record, client);
    const connection = connections.get(client);
    const checkout = connection?.checkout ?? null;
    if (connection === undefined || checkout === null) return;
    connection.checkout = null;
    const idleMs = checkout.release(performance.now());
    if (checkout.request !== null) observer.heldIdle(checkout.request, checkout.location, idleMs);
  }
}

/** As node-postgres reads its arguments: a text, a configuration, or something to submit. */
function textOf(statement: unknown): string | null {
  if (typeof statement === 'string') return statement;
  if (typeof statement !== 'object' || statement === null) return null;
  const { text, cursor } = statement as { readonly text?: unknown; readonly cursor?: unknown };
  return typeof text === 'string' ? text : textOf(cursor);
}

function valuesOf(statement: unknown, values: unknown): readonly unknown[] | undefined {
  if (Array.isArray(values)) return values;
  const own = typeof statement === 'object' && statement !== null ? (statement as { readonly values?: unknown }).values : undefined;
  return Array.isArray(own) ? own : undefined;
}

function isSubmittable(statement: unknown): statement is QueryLike & object {
  return typeof statement === 'object' && statement !== null && typeof (statement as { readonly submit?: unknown }).submit === 'function';
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function';
}
