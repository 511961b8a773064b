import type { Observer } from '../observer.ts';
import type { PoolLike, PoolRecord } from '../statements/pools.ts';
import type { SourceLocation } from '../protocol.ts';
import { enclosing } from './enclosing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';
import { askedAtOf, waitEnds } from './pool-wait.ts';

export const knex: Library = { packages: { knex: ['0.95', '4.0'] }, files: hookKnex };

/** They override some of what the client does. */
const dialects = ['better-sqlite3', 'cockroachdb', 'mssql', 'mysql', 'mysql2', 'pgnative', 'postgres', 'redshift', 'sqlite3'];

/** What the agent uses of a pool of tarn, Knex's own. */
interface TarnPool {
  max: number;
  readonly destroyed?: boolean;
  numUsed(): number;
  numFree(): number;
  numPendingCreates(): number;
  numPendingAcquires(): number;
  _tryAcquireOrCreate?(): void;
}

interface KnownPool {
  readonly pool: PoolLike;
  readonly record: PoolRecord;
}

interface Class {
  readonly prototype: object;
}

/**
 * Knex runs a builder where it is awaited, on a connection it has waited for. The place is taken where
 * the builder is made, kept with it, and set around each query of its runner, which calls the
 * driver before it returns. Fragments are builders too: theirs is taken and never asked for.
 */
function hookKnex(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('knex');
  const entries = new WeakMap<object, SourceLocation>();
  const pools = new WeakMap<object, KnownPool>();
  /** Since when. */
  const held = new WeakMap<object, number>();

  return [
    ...['client', ...dialects.map((dialect) => `dialects/${dialect}/index`)].map((path): LibraryFile => {
      return { path: `knex/lib/${path}.js`, meet: meetClient };
    }),
    { path: 'knex/lib/query/querybuilder.js', meet: (exported) => patchAll(exported, ['clone'], making) },
    { path: 'knex/lib/execution/runner.js', meet: (exported) => patchAll(exported, ['query'], running) },
  ];

  function meetClient(exported: unknown): void {
    patchAll(exported, ['queryBuilder', 'raw', 'schemaBuilder'], making);
    patchAll(exported, ['transaction'], (original) => enclosing(observer, hook, original));
    patchAll(exported, ['initializePool'], makingPool);
    patchAll(exported, ['acquireConnection'], acquiring);
    patchAll(exported, ['releaseConnection'], releasing);
  }

  /** Called as `knex()` is: a pool is named by where that was. */
  function makingPool(original: Method): Method {
    return function initializePool(this: unknown, ...args) {
      const result = original.apply(this, args);
      knownPool(this);
      return result;
    };
  }

  function acquiring(original: Method): Method {
    return function acquireConnection(this: unknown) {
      const known = hook.on ? knownPool(this) : null;
      if (known === null) return original.call(this);
      const { pool, record } = known;
      const follows = observer.follows;
      const request = follows ? observer.current() : null;
      const askedAt = follows ? askedAtOf(pool) : 0;
      const result = original.call(this) as Promise<unknown>;
      record.noteUse(pool);
      if (!follows) {
        record.pass();
        return result;
      }
      return result.then(
        (connection) => {
          waitEnds(pool, record, request, askedAt);
          if (typeof connection === 'object' && connection !== null) held.set(connection, performance.now());
          return connection;
        },
        (error: unknown) => {
          waitEnds(pool, record, request, askedAt);
          throw error;
        },
      );
    };
  }

  function releasing(original: Method): Method {
    return function releaseConnection(this: unknown, connection) {
      const heldFrom = held.get(connection as object);
      if (heldFrom !== undefined) {
        held.delete(connection as object);
        knownPool(this)?.record.window.held.recordMs(performance.now() - heldFrom);
      }
      return original.call(this, connection);
    };
  }

  function knownPool(client: unknown): KnownPool | null {
    try {
      const { pool: tarn } = client as { readonly pool?: TarnPool };
      // A pool that the application brings along may be of another kind.
      if (typeof tarn?.numPendingCreates !== 'function' || typeof tarn.numPendingAcquires !== 'function') return null;
      const known = pools.get(tarn);
      if (known !== undefined) return known;
      const pool = asPoolLike(tarn);
      const fresh = { pool, record: observer.pools.register(pool) };
      pools.set(tarn, fresh);
      return fresh;
    } catch (error) {
      hook.failed(error);
      return null;
    }
  }

  function making(original: Method): Method {
    return function make(this: unknown, ...args) {
      const builder = original.apply(this, args);
      if (!hook.on || typeof builder !== 'object' || builder === null || entries.has(builder)) return builder;
      try {
        const entry = observer.enter();
        if (entry !== null) entries.set(builder, entry);
      } catch (error) {
        hook.failed(error);
      }
      return builder;
    };
  }

  function running(original: Method): Method {
    return function query(this: unknown, statement) {
      const { builder } = this as { readonly builder?: object };
      const entry = hook.on && builder !== undefined ? entries.get(builder) : undefined;
      return observer.entries.during(entry, () => original.call(this, statement));
    };
  }
}

/** A pool of tarn told in the words of node-postgres, so that one record and one policy serve all. */
function asPoolLike(tarn: TarnPool): PoolLike {
  return {
    options: {
      get max() {
        return tarn.max;
      },
      set max(size) {
        tarn.max = size;
      },
    },
    get totalCount() {
      return tarn.numUsed() + tarn.numFree() + tarn.numPendingCreates();
    },
    get idleCount() {
      return tarn.numFree();
    },
    get waitingCount() {
      // Those for whom a connection is being made wait for nobody.
      return Math.max(tarn.numPendingAcquires() - tarn.numPendingCreates(), 0);
    },
    get ended() {
      return tarn.destroyed === true;
    },
    on: () => undefined,
    _pulseQueue: () => tarn._tryAcquireOrCreate?.(),
  };
}

/** Those that the class has itself: what it inherits is met where it is declared. */
function patchAll(exported: unknown, names: readonly string[], make: (original: Method) => Method): void {
  const { prototype } = exported as Class;
  for (const name of names) if (Object.hasOwn(prototype, name)) patchMethod(prototype, name, make);
}
