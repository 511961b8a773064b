import type { Observer } from '../observer.ts';
import { Checkout, type PoolLike, type PoolRecord } from '../statements/pools.ts';
import type { Call } from '../requests/request.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, whenMade, type Method } from './patch.ts';
import { askedAtOf, waitEnds } from './pool-wait.ts';

/** What the agent uses of mysql2's pool; names with an underscore are its internals and may be missing. */
interface Mysql2Pool {
  readonly config?: { connectionLimit?: number };
  readonly _allConnections?: { readonly length: number };
  readonly _freeConnections?: { readonly length: number; get(index: number): Mysql2Connection };
  readonly _connectionQueue?: { readonly length: number; shift(): unknown };
  readonly _closed?: boolean;
  getConnection(callback: unknown): unknown;
}

interface Mysql2Connection {
  destroy(): void;
  [connectionOf]?: Held;
}

/** A `Query` or an `Execute`: what runs on a connection, one after the other. */
interface Command {
  [callOf]?: Call;
  readonly sql?: unknown;
  onResult?: Callback;
  readonly _rows?: readonly unknown[];
}

interface Packet {
  isError?(): boolean;
  isEOF(): boolean;
  length(): number;
}

type Callback = (this: unknown, error: unknown, ...more: unknown[]) => unknown;

/** What the agent keeps with a connection while the application itself has it out of a pool. */
interface Held {
  readonly record: PoolRecord;
  readonly acquiredAt: number;
  readonly checkout: Checkout | null;
}

interface Class {
  readonly prototype: object;
}

const callOf = Symbol('anneal.call');
const connectionOf = Symbol('anneal.connection');

/** Stands for a call of a request that is not followed. */
const passing = Symbol('passing');

/** Pools and connections are classes of their own files from 3.11.4 on; before, of `pool.js` and `connection.js`: whichever has the methods is met. */
export const mysql2: Library = { packages: { mysql2: ['3.0', '4.0'] }, files: hookMysql2 };

/**
 * Hooks for mysql2. Its promise API calls the one with callbacks before it returns, so the
 * application's own code is still on the stack at `query`, `execute` and `getConnection` of pools and
 * connections. What comes back is met where a connection works its commands off.
 */
function hookMysql2(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('mysql2');
  const pools = new WeakMap<object, { readonly record: PoolRecord; readonly pool: PoolLike }>();
  /** Callbacks that a pool hands back to itself when a connection it promised them is lost. */
  const told = new WeakSet<object>();
  /** Handed from a pool's `query` or `execute` to the `getConnection` inside it, and from there to the same on the connection it got; all synchronous. */
  let pooled: Call | typeof passing | null = null;
  let checkedOut: Call | typeof passing | null = null;
  /** Handed from a connection's `query` or `execute` to the command that it adds. */
  let submitting: Call | null = null;

  return [
    {
      path: 'mysql2/lib/base/pool.js',
      meet: meetPool,
      bundled: { methods: ['_removeIdleTimeoutConnections', 'query', 'execute', 'getConnection'] },
    },
    { path: 'mysql2/lib/pool.js', meet: meetPool },
    {
      path: 'mysql2/lib/base/connection.js',
      meet: meetConnection,
      bundled: { methods: ['_addCommandClosedState', 'query', 'execute', 'addCommand'] },
    },
    { path: 'mysql2/lib/connection.js', meet: meetConnection },
    {
      path: 'mysql2/lib/commands/command.js',
      meet: (exported) => patchOwn(exported, 'execute', workOff),
      bundled: { methods: ['stateName', 'execute'] },
    },
    { path: 'mysql2/lib/commands/query.js', meet: meetQuery, bundled: { methods: ['resultsetHeader', 'start', 'row'] } },
    {
      path: 'mysql2/lib/commands/execute.js',
      meet: (exported) => patchOwn(exported, 'start', start),
      bundled: { methods: ['buildParserFromFields', 'start'] },
    },
  ];

  function meetPool(exported: unknown): unknown {
    patchOwn(exported, 'query', poolCall);
    patchOwn(exported, 'execute', poolCall);
    patchOwn(exported, 'getConnection', getConnection);
    // A pool is named by where it is made, so it has to be seen being made.
    if (Object.hasOwn((exported as Class).prototype, 'getConnection')) {
      whenMade((exported as Class).prototype, '_closed', (pool) => {
        try {
          recordOf(pool as Mysql2Pool & object);
        } catch (error) {
          hook.failed(error);
        }
      });
    }
    return patchOwn(exported, 'releaseConnection', releaseConnection);
  }

  function meetConnection(exported: unknown): unknown {
    patchOwn(exported, 'query', connectionCall);
    patchOwn(exported, 'execute', connectionCall);
    return patchOwn(exported, 'addCommand', addCommand);
  }

  function meetQuery(exported: unknown): unknown {
    patchOwn(exported, 'start', start);
    return patchOwn(exported, 'row', row);
  }

  function poolCall(original: Method): Method {
    return function query(this: unknown, ...args) {
      if (!hook.on) return original.apply(this, args);
      pooled = observer.follows ? (begin(args) ?? passing) : passing;
      try {
        return original.apply(this, args);
      } finally {
        // The pool never asked for a connection: it refused the call.
        if (pooled !== null && pooled !== passing) finish(pooled, true);
        pooled = null;
      }
    };
  }

  function getConnection(original: Method): Method {
    return function getConnection(this: unknown, callback) {
      const call = pooled;
      pooled = null;
      if (!hook.on || typeof callback !== 'function' || told.has(callback)) return original.call(this, callback);
      let known: { readonly record: PoolRecord; readonly pool: PoolLike };
      let acquired: (error: unknown, connection: unknown) => void;
      try {
        known = recordOf(this as Mysql2Pool & object);
        const { record, pool } = known;
        if (call === passing || (call === null && !observer.follows)) {
          record.pass();
          acquired = () => {
            if (call === passing) checkedOut = passing;
          };
        } else acquired = call === null ? forApplication(pool, record) : forCall(pool, record, call);
      } catch (error) {
        hook.failed(error);
        return original.call(this, callback);
      }
      const gotConnection: Callback = function gotConnection(this: unknown, error, connection) {
        try {
          acquired(error, connection);
        } catch (problem) {
          hook.failed(problem);
        }
        try {
          return Reflect.apply(callback, this, [error, connection]);
        } finally {
          checkedOut = null;
        }
      };
      told.add(gotConnection);
      const result = original.call(this, gotConnection);
      known.record.noteUse(known.pool);
      return result;
    };
  }

  function forCall(pool: PoolLike, record: PoolRecord, call: Call): (error: unknown) => void {
    const askedAt = askedAtOf(pool);
    return (error) => {
      waitEnds(pool, record, call.request, askedAt);
      if (error !== null && error !== undefined) finish(call, true);
      else {
        call.record = record;
        checkedOut = call;
      }
    };
  }

  /** The application asks for a connection: what it does not use it for, until its release, is charged to the request. */
  function forApplication(pool: PoolLike, record: PoolRecord): (error: unknown, connection: unknown) => void {
    const request = observer.current();
    const location = observer.callSite(record.sampler);
    const askedAt = askedAtOf(pool);
    return (_error, connection) => {
      waitEnds(pool, record, request, askedAt);
      if (typeof connection !== 'object' || connection === null) return;
      const acquiredAt = performance.now();
      const checkout = request === null ? null : new Checkout(request, location, acquiredAt);
      keep(connection, connectionOf, { record, acquiredAt, checkout });
    };
  }

  function releaseConnection(original: Method): Method {
    return function releaseConnection(this: unknown, connection) {
      const held = (connection as Mysql2Connection)[connectionOf];
      if (held !== undefined) {
        try {
          const now = performance.now();
          keep(connection as object, connectionOf, undefined);
          held.record.window.held.recordMs(now - held.acquiredAt);
          if (held.checkout !== null) observer.heldIdle(held.checkout.request, held.checkout.location, held.checkout.idleMsUntil(now));
        } catch (error) {
          hook.failed(error);
        }
      }
      const known = pools.get(this as object);
      if (known !== undefined && known.record.trimming && trims(known.record, known.pool))
        return (connection as Mysql2Connection).destroy();
      return original.call(this, connection);
    };
  }

  function connectionCall(original: Method): Method {
    return function query(this: unknown, ...args) {
      let call = checkedOut;
      checkedOut = null;
      // A query that goes through a pool was counted there, when the application called it.
      if (call === passing) return original.apply(this, args);
      if (call === null && hook.on && observer.follows) call = begin(args);
      if (call === null) return original.apply(this, args);
      const checkout = (this as Mysql2Connection)[connectionOf]?.checkout ?? null;
      if (checkout !== null) {
        checkout.queryBegins(performance.now());
        call.checkout = checkout;
      }
      submitting = call;
      try {
        return original.apply(this, args);
      } catch (error) {
        finish(call, true);
        throw error;
      } finally {
        // Nothing was added: the connection is closed already.
        if (submitting !== null) finish(submitting, true);
        submitting = null;
      }
    };
  }

  function addCommand(original: Method): Method {
    return function addCommand(this: unknown, command) {
      // `execute` also adds a `Prepare`, which has no `sql`.
      if (submitting !== null && typeof (command as Command).sql === 'string') {
        const call = submitting;
        submitting = null;
        try {
          follow(command as Command, call);
        } catch (error) {
          hook.failed(error);
        }
      }
      return original.call(this, command);
    };
  }

  /** A connection that is lost fails what waits for it without working it off. */
  function follow(command: Command, call: Call): void {
    keep(command, callOf, call);
    const { onResult } = command;
    if (typeof onResult !== 'function') return;
    command.onResult = function answered(this: unknown, error, ...more) {
      if (error !== null && error !== undefined) finish(call, true);
      return Reflect.apply(onResult, this, [error, ...more]);
    };
  }

  function start(original: Method): Method {
    return function start(this: unknown, packet, connection) {
      const call = (this as Command)[callOf];
      if (call !== undefined && Number.isNaN(call.sentAt)) call.sentAt = performance.now();
      return original.call(this, packet, connection);
    };
  }

  function row(original: Method): Method {
    return function row(this: unknown, packet, connection) {
      const call = (this as Command)[callOf];
      if (call !== undefined && !(packet as Packet).isEOF()) {
        call.rows += 1;
        call.receivedBytes += (packet as Packet).length();
      }
      return original.call(this, packet, connection);
    };
  }

  /** Each packet for the command that is at work; true when it was the last one. */
  function workOff(original: Method): Method {
    return function execute(this: unknown, packet, connection) {
      const call = (this as Command)[callOf];
      if (call === undefined || call.done) return original.call(this, packet, connection);
      const failed = (packet as Packet | undefined)?.isError?.() === true;
      const done = original.call(this, packet, connection);
      // Never sent, and still at its end: its preparation failed.
      if (done === true) finish(call, failed || Number.isNaN(call.sentAt), (this as Command)._rows);
      return done;
    };
  }

  function begin(args: readonly unknown[]): Call | null {
    try {
      const [statement, values] = args;
      const sql = textOf(statement);
      return sql === null ? null : observer.call(sql, valuesOf(statement, values), 'mysql');
    } catch (error) {
      hook.failed(error);
      return null;
    }
  }

  function finish(call: Call, failed: boolean, results?: readonly unknown[]): void {
    if (call.done) return;
    try {
      const now = performance.now();
      call.checkout?.queryEnds(now);
      call.record?.window.held.recordMs(Number.isNaN(call.sentAt) ? 0 : now - call.sentAt);
      const first = results?.[0];
      // Statements without rows to give still changed some.
      if (call.rows === 0) call.rows = (first as { readonly affectedRows?: number } | undefined)?.affectedRows ?? 0;
      observer.finished(call, failed, now, Array.isArray(first) ? first : undefined);
    } catch (error) {
      hook.failed(error);
    }
  }

  function recordOf(mysql2Pool: Mysql2Pool & object): { readonly record: PoolRecord; readonly pool: PoolLike } {
    const known = pools.get(mysql2Pool);
    if (known !== undefined) return known;
    const pool = asPoolLike(mysql2Pool);
    const fresh = { record: observer.pools.register(pool), pool };
    pools.set(mysql2Pool, fresh);
    return fresh;
  }
}

/** A pool of mysql2 told in the words of node-postgres, so that one record and one policy serve both. */
function asPoolLike(pool: Mysql2Pool): PoolLike {
  return {
    options: {
      get max() {
        return pool.config?.connectionLimit ?? 0;
      },
      set max(size) {
        if (pool.config !== undefined) pool.config.connectionLimit = size;
      },
    },
    get totalCount() {
      return pool._allConnections?.length ?? 0;
    },
    get idleCount() {
      return pool._freeConnections?.length ?? 0;
    },
    get waitingCount() {
      return pool._connectionQueue?.length ?? 0;
    },
    get ended() {
      return pool._closed === true;
    },
    on: () => undefined,
    get _idle() {
      return Array.from({ length: pool._freeConnections?.length ?? 0 }, (_, index) => ({ client: pool._freeConnections!.get(index) }));
    },
    _remove: (connection) => (connection as Mysql2Connection).destroy(),
    _pulseQueue() {
      const next = pool._connectionQueue?.shift();
      if (next !== undefined) pool.getConnection(next);
    },
  };
}

/** While a pool is larger than a policy wants it, what comes back is closed, and not handed to the next. */
function trims(record: PoolRecord, { totalCount, options }: PoolLike): boolean {
  record.trimming = totalCount > options.max;
  return record.trimming;
}

function patchOwn(exported: unknown, name: string, make: (original: Method) => Method): unknown {
  const { prototype } = exported as Class;
  if (Object.hasOwn(prototype, name)) patchMethod(prototype, name, make);
  return exported;
}

/** The application's objects are not to be told by their looks. */
function keep(owner: object, key: symbol, value: unknown): void {
  Object.defineProperty(owner, key, { value, configurable: true, writable: true });
}

/** As mysql2 reads its arguments: a text, or an object that holds it. */
function textOf(statement: unknown): string | null {
  if (typeof statement === 'string') return statement;
  const sql: unknown = typeof statement === 'object' && statement !== null ? (statement as { readonly sql?: unknown }).sql : undefined;
  return typeof sql === 'string' ? sql : null;
}

/** Named placeholders come as an object: its values tell calls apart as well. */
function valuesOf(statement: unknown, values: unknown): readonly unknown[] | undefined {
  const given =
    values === undefined || typeof values === 'function' ? (statement as { readonly values?: unknown } | null | undefined)?.values : values;
  if (Array.isArray(given)) return given;
  if (given === undefined || given === null) return undefined;
  return typeof given === 'object' && !(given instanceof Date) && !Buffer.isBuffer(given) ? Object.values(given) : [given];
}
