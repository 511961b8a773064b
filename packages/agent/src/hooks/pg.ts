import type { Observer } from '../observer.ts';
import { trimOnRelease } from '../policies/pool-size.ts';
import { Checkout, type PoolLike, type PoolRecord } from '../statements/pools.ts';
import type { Call, OpenRequest } from '../requests/request.ts';
import type { Library, LibraryFile } from './library.ts';
import { PassingReplacement, whenMade, type Method } from './patch.ts';

/** What the agent uses of a `pg.Client`. */
interface ClientLike {
  readonly _queryQueue?: readonly object[];
  [connectionOf]?: Connection;
}

/** What the agent uses of a `pg.Query`, and of anything else a client can submit (`pg-cursor`, `pg-query-stream`). */
interface QueryLike {
  readonly handleDataRow?: Method;
  readonly handleReadyForQuery?: Method;
  readonly handleError?: Method;
  readonly _canceledDueToError?: unknown;
  readonly _result?: {
    readonly rows?: readonly unknown[];
    readonly rowCount?: number | null;
    readonly fields?: readonly { readonly name: string }[];
  };
}

const connectionOf = Symbol('anneal.connection');

/** What the agent keeps with a client of a pool. */
class Connection {
  /** While the application itself has it checked out. */
  checkout: Checkout | null = null;
  acquiredAt = 0;
  held = false;
}

interface Constructor {
  readonly prototype: object;
  new (...args: unknown[]): object;
}

type Callback = (this: unknown, ...args: unknown[]) => unknown;

/** Stands for a call of a request that is not followed. */
const passing = Symbol('passing');

const isError = (error: unknown) => error !== undefined && error !== null;

export const nodePostgres: Library = { packages: { pg: ['8.0', '9.0'], 'pg-pool': ['3.0', '4.0'] }, files: hookPg };

/**
 * Hooks for node-postgres. The application's calls are met at `Pool.query`, `Pool.connect` and
 * `Client.query`, where its own code is still on the stack; what comes back is met at the query
 * object, of those that are followed. pg runs callbacks out of its own queue, so the request travels
 * with the call and is never asked for at completion.
 *
 * Promises are never subscribed to on the side: an error nobody handles stays unhandled.
 *
 * This is the hottest code of the agent. The wrappers take exactly the parameters that pg reads,
 * because gathering and spreading arguments costs as much as the counting itself.
 */
function hookPg(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('pg');
  /** Handed from `Pool.query` to the `connect` inside it, and from there to the `query` on the client it got; both synchronous. */
  let pooled: Call | typeof passing | null = null;
  let checkedOut: Call | typeof passing | null = null;
  /** Handed from `Client.query` to the submission inside it. */
  let submitting: Call | null = null;
  /** The time of the event being handled: what follows from it in the same turn need not ask the clock again. */
  let eventAt = 0;

  return [
    {
      path: 'pg/lib/client.js',
      meet: (exported) => hookClient(exported as Constructor),
      bundled: { methods: ['_pulseQueryQueue', 'query', 'connect', 'end'] },
    },
    {
      path: 'pg-pool/index.js',
      meet: (exported) => hookPool(exported as Constructor),
      bundled: { methods: ['_pulseQueue', 'query', 'connect', 'newClient', '_release'] },
    },
  ];

  function hookPool(Pool: Constructor): void {
    observer.drivers.pgPools.add(Pool.prototype);
    observer.whileOnAndAtFirst(new PassingReplacement(Pool.prototype, 'query', poolQuery));
    observer.whileOnAndAtFirst(new PassingReplacement(Pool.prototype, 'connect', poolConnect));
    // A pool is named by where it is made, so it has to be seen being made. Its constructor sets this last.
    whenMade(Pool.prototype, 'ended', (pool) => {
      try {
        recordOf(pool as PoolLike);
      } catch (error) {
        hook.failed(error);
      }
    });
  }

  function hookClient(Client: Constructor & { readonly Query?: Constructor }): void {
    const query = Client.Query?.prototype;
    // No call would ever end.
    if (query === undefined || !('handleReadyForQuery' in query)) throw new Error('its Query is not one that the agent knows');
    observer.drivers.pgClients.add(Client.prototype);
    observer.whileOnAndAtFirst(new PassingReplacement(Client.prototype, 'query', clientQuery));
    observer.whileOn(new PassingReplacement(query, 'submit', submit));
  }

  function recordOf(pool: PoolLike): PoolRecord {
    const known = observer.pools.recordOf(pool);
    if (known !== undefined) return known;
    return observer.pools.register(pool, watchReleases);
  }

  function watchReleases(pool: PoolLike, record: PoolRecord): void {
    pool.on('release', (_error, client) => {
      try {
        released(record, client);
      } catch (error) {
        hook.failed(error);
      }
    });
  }

  function poolQuery(original: Method): Method {
    return function query(this: unknown, statement, values, callback) {
      if (!hook.on || typeof statement === 'function') return original.call(this, statement, values, callback);
      pooled = observer.follows ? (begin(statement, values) ?? passing) : passing;
      try {
        return original.call(this, statement, values, callback);
      } finally {
        // The pool never asked for a connection: it refused the call.
        if (pooled !== null && pooled !== passing) finish(pooled, true);
        pooled = null;
      }
    };
  }

  function poolConnect(original: Method): Method {
    return function connect(this: unknown, callback) {
      const call = pooled;
      pooled = null;
      if (!hook.on) return original.call(this, callback);
      const pool = this as PoolLike;
      let record: PoolRecord;
      let acquired: ((client: unknown) => void) | null = null;
      let handed = callback;
      try {
        record = recordOf(pool);
        // One shape of callback for all of a pool's own queries: V8 compiles pg-pool for two otherwise, whoever is followed.
        if (call !== null && typeof callback === 'function') handed = forPoolQuery(pool, record, call, callback as Callback);
        else if (!observer.follows) record.pass();
        else {
          acquired = forApplication(pool, record);
          if (typeof callback === 'function') handed = onceAcquired(acquired, callback as Callback);
        }
      } catch (error) {
        hook.failed(error);
        return original.call(this, callback);
      }
      // Outside of what is guarded: it must never be called twice.
      const result = original.call(this, handed);
      if (call !== passing) noteUse(pool, record);
      return acquired !== null && isPromise(result) ? thenAcquired(acquired, result) : result;
    };
  }

  function noteUse(pool: PoolLike, record: PoolRecord): void {
    try {
      record.noteUse(pool);
    } catch (error) {
      hook.failed(error);
    }
  }

  /** `Pool.query` asks for a connection, queries, and gives it back inside the callback of its query. */
  function forPoolQuery(pool: PoolLike, record: PoolRecord, call: Call | typeof passing, callback: Callback): Callback {
    // Of a request that is not followed the checkout is counted, and its query let through.
    if (call === passing) record.pass();
    const askedAt = call !== passing && mustWait(pool) ? performance.now() : 0;
    return function acquiredClient(this: unknown, error, client, release) {
      if (call !== passing) acquiredFor(call, pool, record, askedAt);
      if (call === passing || !isError(error)) checkedOut = call;
      else finish(call, true);
      try {
        return callback.call(this, error, client, release);
      } finally {
        if (call !== passing) {
          // Left over where the client's `query` is not one that the agent knows (pg-native): counted, but not timed.
          if (checkedOut === null) call.record = record;
          else finish(call, false);
        }
        checkedOut = null;
      }
    };
  }

  function acquiredFor(call: Call, pool: PoolLike, record: PoolRecord, askedAt: number): void {
    try {
      eventAt = performance.now();
      acquire(pool, record, call.request, askedAt);
    } catch (failure) {
      hook.failed(failure);
    }
  }

  /** The application asks for a connection: what it does not use it for, until its release, is charged to the request. */
  function forApplication(pool: PoolLike, record: PoolRecord): (client: unknown) => void {
    record.watchReleases();
    const request = observer.current();
    const location = observer.callSite(record.sampler);
    const askedAt = mustWait(pool) ? performance.now() : 0;
    return (client) => {
      try {
        eventAt = performance.now();
        acquire(pool, record, request, askedAt);
        if (typeof client !== 'object' || client === null) return;
        const connection = connectionWith(client);
        connection.held = true;
        connection.acquiredAt = eventAt;
        connection.checkout = request === null ? null : new Checkout(request, location, eventAt);
      } catch (error) {
        hook.failed(error);
      }
    };
  }

  function onceAcquired(acquired: (client: unknown) => void, callback: Callback): Callback {
    return function acquiredClient(this: unknown, error, client, release) {
      acquired(isError(error) ? null : client);
      return callback.call(this, error, client, release);
    };
  }

  function thenAcquired(acquired: (client: unknown) => void, result: Promise<unknown>): Promise<unknown> {
    return result.then(
      (client) => {
        acquired(client);
        return client;
      },
      (error: unknown) => {
        acquired(null);
        throw error;
      },
    );
  }

  /** A wait is over, for better or worse; `askedAt` is 0 where there was nobody to wait for. */
  function acquire(pool: PoolLike, record: PoolRecord, request: OpenRequest | null, askedAt: number): void {
    const waitMs = askedAt === 0 ? null : eventAt - askedAt;
    record.acquired(pool, waitMs);
    if (waitMs !== null && request !== null && !request.closed) request.poolWaitMs += waitMs;
  }

  function clientQuery(original: Method): Method {
    return function query(this: unknown, statement, values, callback) {
      let call = checkedOut;
      checkedOut = null;
      // A query that goes through a pool was counted there, when the application called it.
      if (call === passing) return original.call(this, statement, values, callback);
      if (call === null && hook.on && observer.follows) {
        call = begin(statement, values);
        eventAt = performance.now();
      }
      if (call === null) return original.call(this, statement, values, callback);
      const client = this as ClientLike;
      let queued = 0;
      let waits = false;
      try {
        queued = client._queryQueue?.length ?? 0;
        call.sentAt = eventAt;
        const checkout = client[connectionOf]?.checkout ?? null;
        if (checkout !== null) {
          checkout.queryBegins(eventAt);
          call.checkout = checkout;
        }
        if (isSubmittable(statement)) followAnswers(statement, call);
        else if (queued === 0) submitting = call;
        else waits = true;
      } catch (error) {
        hook.failed(error);
      }
      try {
        return original.call(this, statement, values, callback);
      } catch (error) {
        finish(call, true);
        throw error;
      } finally {
        if (submitting !== null || waits) followQueued(client, call, queued);
        submitting = null;
      }
    };
  }

  /** Not sent yet: the connection is still being made, or busy with an earlier query. */
  function followQueued({ _queryQueue: queue }: ClientLike, call: Call, queuedBefore: number): void {
    if (queue === undefined || queue.length <= queuedBefore) return;
    const last = queue.at(-1);
    if (last !== undefined) followAnswers(last, call);
  }

  function submit(original: Method): Method {
    return function submit(this: unknown, connection) {
      const call = submitting;
      if (call !== null) {
        submitting = null;
        followAnswers(this as QueryLike, call);
      }
      return original.call(this, connection);
    };
  }

  /** On this one query: where all of its class passed here, every row of those that are not followed would. */
  function followAnswers(query: QueryLike, call: Call): void {
    try {
      replaceAnswers(query, call);
    } catch (error) {
      hook.failed(error);
    }
  }

  function replaceAnswers(query: QueryLike, call: Call): void {
    /** Null once it has ended: an application may keep its queries. */
    let following: Call | null = call;
    // What copies has no rows to handle.
    replaceOwn(query, 'handleDataRow', (original) => {
      return function row(this: unknown, message) {
        if (following !== null) {
          following.rows += 1;
          following.receivedBytes += (message as { readonly length: number }).length;
        }
        return original.call(this, message);
      };
    });
    replaceOwn(query, 'handleReadyForQuery', (original) => {
      return function ready(this: unknown, connection) {
        if (following !== null) answered(query, following);
        following = null;
        return original.call(this, connection);
      };
    });
    replaceOwn(query, 'handleError', (original) => {
      return function failed(this: unknown, error, connection) {
        if (following !== null) finish(following, true);
        following = null;
        return original.call(this, error, connection);
      };
    });
  }

  function answered(query: QueryLike, call: Call): void {
    if (call.done) return;
    // Statements without rows to give still changed some: pg_stat_statements counts them the same way.
    if (call.rows === 0) call.rows = query._result?.rowCount ?? 0;
    finish(call, Boolean(query._canceledDueToError), query._result?.rows);
    if (Array.isArray(call.received?.[0])) call.columns = query._result?.fields?.map(({ name }) => name) ?? null;
  }

  function begin(statement: unknown, values: unknown): Call | null {
    try {
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
      eventAt = performance.now();
      call.checkout?.queryEnds(eventAt);
      call.record?.window.held.recordMs(eventAt - call.sentAt);
      observer.finished(call, failed, eventAt, rows);
    } catch (error) {
      hook.failed(error);
    }
  }

  function released(record: PoolRecord, client: object): void {
    if (record.trimming) trimOnRelease(record, client);
    const connection = (client as ClientLike)[connectionOf];
    if (connection === undefined || !connection.held) return;
    const now = performance.now();
    const { checkout } = connection;
    connection.held = false;
    connection.checkout = null;
    record.window.held.recordMs(now - connection.acquiredAt);
    if (checkout !== null) observer.heldIdle(checkout.request, checkout.location, checkout.idleMsUntil(now));
  }
}

/** Those who came earlier take the idle connections and the room for new ones. Making a connection takes time too, but no release would shorten it. */
function mustWait(pool: PoolLike): boolean {
  return pool.waitingCount >= pool.idleCount + Math.max(pool.options.max - pool.totalCount, 0);
}

function connectionWith(client: ClientLike): Connection {
  const known = client[connectionOf];
  if (known !== undefined) return known;
  const connection = new Connection();
  Object.defineProperty(client, connectionOf, { value: connection });
  return connection;
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

/** As quick as it can be: this is done for each query that is followed. The application does not see it by looking through its query. */
function replaceOwn(
  query: QueryLike,
  name: 'handleDataRow' | 'handleReadyForQuery' | 'handleError',
  make: (original: Method) => Method,
): void {
  const original = query[name];
  if (original !== undefined) Object.defineProperty(query, name, { value: make(original), writable: true, configurable: true });
}

function isSubmittable(statement: unknown): statement is QueryLike & object {
  return typeof statement === 'object' && statement !== null && typeof (statement as { readonly submit?: unknown }).submit === 'function';
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function';
}
