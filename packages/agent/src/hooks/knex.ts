import type { Observer } from '../observer.ts';
import type { SourceLocation } from '../protocol.ts';
import { enclosing } from './enclosing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

export const knex: Library = { packages: { knex: ['0.95', '4.0'] }, files: hookKnex };

/** They override some of what the client does. */
const dialects = ['better-sqlite3', 'cockroachdb', 'mssql', 'mysql', 'mysql2', 'pgnative', 'postgres', 'redshift', 'sqlite3'];

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

/** Those that the class has itself: what it inherits is met where it is declared. */
function patchAll(exported: unknown, names: readonly string[], make: (original: Method) => Method): void {
  const { prototype } = exported as Class;
  for (const name of names) if (Object.hasOwn(prototype, name)) patchMethod(prototype, name, make);
}
