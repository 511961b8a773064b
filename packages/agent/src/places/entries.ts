import { AsyncLocalStorage } from 'node:async_hooks';
import { CallSiteSampler } from './call-site.ts';
import type { SourceLocation } from '../protocol.ts';

/**
 * Where the application entered a library that calls its driver later, when the application is no
 * longer on the stack: hooks of Drizzle, Knex and Prisma take the place on the way in, keep it with
 * what is built, and set it around the driver's call. Which template a builder will
 * become is not known when it is made, so places are not sampled by template but by request, whole
 * requests at a time: one line may make several templates, and several lines one.
 */
export class Entries {
  /** What decides for whom a stack is taken: all entries of a request or, when the second's captures are spent, next to none. */
  readonly sampler = new CallSiteSampler();
  #current: SourceLocation | null = null;
  /** For libraries between whose entry and driver others' work may run; made when the first is loaded, because asking costs every call. */
  #storage: AsyncLocalStorage<SourceLocation> | null = null;

  readonly #enclosing = new AsyncLocalStorage<SourceLocation>();

  constructor() {
    this.sampler.severalPlaces = true;
  }

  current(): SourceLocation | null {
    return this.#current ?? this.#storage?.getStore() ?? null;
  }

  /** For calls that reach the driver before they return. Null: none to set. */
  during<Result>(entry: SourceLocation | null | undefined, call: () => Result): Result {
    if (entry === null || entry === undefined) return call();
    const before = this.#current;
    this.#current = entry;
    try {
      return call();
    } finally {
      this.#current = before;
    }
  }

  /** For calls that reach the driver at any later time. */
  throughout<Result>(entry: SourceLocation | null, call: () => Result): Result {
    if (entry === null) return call();
    this.#storage ??= new AsyncLocalStorage();
    return this.#storage.run(entry, call);
  }

  /** For calls that run the application's own code in turn: it has places of its own, what it has no place for gets this one. */
  enclose<Result>(entry: SourceLocation | null, call: () => Result): Result {
    return entry === null ? call() : this.#enclosing.run(entry, call);
  }

  enclosing(): SourceLocation | null {
    return this.#enclosing.getStore() ?? null;
  }
}
