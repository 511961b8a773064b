import type { Observer } from '../observer.ts';
import type { SourceLocation } from '../protocol.ts';
import { enclosing, enteredAt } from './enclosing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

export const drizzle: Library = { packages: { 'drizzle-orm': ['0.30', '1.0'] }, files: hookDrizzle };

/** With which the application begins a statement. */
const beginnings = [
  'select',
  'selectDistinct',
  'selectDistinctOn',
  'insert',
  'update',
  'delete',
  'refreshMaterializedView',
  'execute',
  '$count',
];

/** With which one builder makes another that goes on for it. */
const continuations = ['from', 'values', 'set', 'select'];

interface Class {
  readonly prototype: object;
}

/**
 * Drizzle's statements run where they are awaited: a builder's `then` calls the driver before it
 * returns, with nobody of the application on the stack. So the place is taken where a statement is
 * begun, kept with the builders that come of it, and set around `then`. Where the application calls
 * `execute` itself (prepared statements too) it is on the stack, and that place is the better one.
 */
function hookDrizzle(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('drizzle-orm');
  const entries = new WeakMap<object, SourceLocation>();
  const known = new WeakSet<object>();

  return ['pg', 'mysql'].flatMap((dialect) =>
    ['js', 'cjs'].flatMap((extension): LibraryFile[] => {
      const database = `${dialect === 'pg' ? 'Pg' : 'MySql'}Database`;
      return [
        { path: `drizzle-orm/${dialect}-core/db.${extension}`, names: [database], meet: (exported) => meetDatabase(exported, database) },
        {
          path: `drizzle-orm/${dialect}-core/query-builders/query.${extension}`,
          names: ['RelationalQueryBuilder'],
          meet: (exported) => meetRelational(exported, 'RelationalQueryBuilder'),
        },
      ];
    }),
  );

  function meetDatabase(exported: unknown, name: string): unknown {
    const { prototype } = (exported as Readonly<Record<string, Class>>)[name]!;
    for (const method of beginnings) patchMethod(prototype, method, beginning);
    patchMethod(prototype, 'with', beginningWith);
    patchMethod(prototype, 'transaction', (original) => enclosing(observer, hook, original));
    return exported;
  }

  function meetRelational(exported: unknown, name: string): unknown {
    const { prototype } = (exported as Readonly<Record<string, Class>>)[name]!;
    for (const method of ['findMany', 'findFirst']) patchMethod(prototype, method, beginning);
    return exported;
  }

  function beginning(original: Method): Method {
    return function begin(this: unknown, ...args) {
      const entry = enteredAt(observer, hook);
      const built = original.apply(this, args);
      if (entry !== null) keep(built, entry);
      return built;
    };
  }

  /** `db.with(query).select()`: the beginnings are functions of what comes back. */
  function beginningWith(original: Method): Method {
    return function begin(this: unknown, ...args) {
      const entry = enteredAt(observer, hook);
      const built = original.apply(this, args);
      if (entry === null || typeof built !== 'object' || built === null) return built;
      for (const name of beginnings) {
        patchMethod(built, name, (begun) => {
          return function begin(this: unknown, ...more) {
            const next = begun.apply(this, more);
            keep(next, entry);
            return next;
          };
        });
      }
      return built;
    };
  }

  function keep(built: unknown, entry: SourceLocation): void {
    // What runs at once has called the driver by now, with the application on the stack.
    if (typeof built !== 'object' || built === null || built instanceof Promise) return;
    try {
      entries.set(built, entry);
      meetBuilder(built);
    } catch (error) {
      hook.failed(error);
    }
  }

  /** Builders' classes are met at their first object: their files are many, and differ between versions. */
  function meetBuilder(builder: object): void {
    const prototype: unknown = Object.getPrototypeOf(builder);
    if (typeof prototype !== 'object' || prototype === null || prototype === Object.prototype || known.has(prototype)) return;
    known.add(prototype);
    for (const name of continuations) if (Object.hasOwn(prototype, name)) patchMethod(prototype, name, continuation);
    for (let owner: object | null = prototype; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
      if (!Object.hasOwn(owner, 'then')) continue;
      if (owner === prototype || !known.has(owner)) patchMethod(owner, 'then', awaited);
      known.add(owner);
      return;
    }
  }

  function continuation(original: Method): Method {
    return function goOn(this: unknown, ...args) {
      const next = original.apply(this, args);
      const entry = entries.get(this as object);
      if (entry !== undefined && next !== this) keep(next, entry);
      return next;
    };
  }

  function awaited(original: Method): Method {
    return function then(this: unknown, onFulfilled, onRejected) {
      const entry = hook.on ? entries.get(this as object) : undefined;
      return observer.entries.during(entry, () => original.call(this, onFulfilled, onRejected));
    };
  }
}
