import { AsyncLocalStorage } from 'node:async_hooks';
import { wrapMethod, type Method } from '../../hooks/patch.ts';
import type { PolicyContext, RunningPolicy } from '../policy.ts';
import { WatchedConnection, type ClientLike, type WriteAnnouncements } from './connection.ts';
import { Generations, type Lease, type Tag } from './generations.ts';
import { isSubmittable, textOf, valuesOf } from './statement-arguments.ts';
import { watchOtherInputs } from './other-inputs.ts';
import { Meanings, tagsRead, tagsWritten, type CacheKnowledge } from './knowledge.ts';
import { Reading } from './reading.ts';
import { HeldStatements } from './held-statements.ts';
import { SharedGenerations, type Look } from './shared-generations.ts';
import { snapshotText } from './snapshots.ts';

/** Anneal says so several times a second while it hears every commit; silence means that writes may be missed. */
const streamSilenceMs = 3_000;

interface QueryConstructor {
  new (text: string, callback: (error: unknown, result: { readonly rows: readonly { readonly seen?: unknown }[] }) => void): object;
}

/** From Anneal, which holds a replication slot: what every transaction of the database wrote, and that it still listens. */
type CacheNews =
  | {
      readonly kind: 'commits';
      readonly commits: readonly {
        /** Its low 32 bits. */
        readonly transactionId: number;
        /** As `tagsWritten` gives them; `*` for everything. */
        readonly tags: readonly string[];
      }[];
    }
  | { readonly kind: 'alive' }
  | { readonly kind: 'lost' };

/** A policy that keeps answers: told when all of them must go. */
export interface Dependent {
  clear(): void;
}

/**
 * What is read and written by this process, statement by statement: the shared core of everything that keeps answers.
 * It wraps `query` of every client while a policy needs it. Where anything is not as expected it goes broken, and a
 * broken tracker lets nobody keep or serve anything.
 */
export class Tracker {
  readonly generations = new Generations();
  readonly knowledge: CacheKnowledge;
  readonly shared: SharedGenerations | null;
  broken: string | null = null;
  /** Who stands in for `Pool.query`, by template. One wrapper for all, so that nobody stands in front of the tracker. */
  readonly answersPools = new Map<string, (pool: object, args: readonly unknown[], send: () => unknown) => unknown>();
  readonly #context: PolicyContext;
  readonly #meanings: Meanings;
  readonly #storage = new AsyncLocalStorage<Reading | null>();
  readonly #connections = new Map<object, WatchedConnection>();
  readonly #open = new Set<Reading>();
  readonly #dependents = new Set<Dependent>();
  readonly #announcements: WriteAnnouncements;
  readonly #active = new Set<Dependent>();
  readonly #ownSockets = new WeakSet<object>();
  readonly #held = new HeldStatements();
  #snapshotAhead: { readonly query: object; readonly queued: number } | null = null;
  #undo: (() => void)[] = [];
  #wrappers: { readonly owner: object; readonly name: string; readonly wrapper: unknown }[] = [];
  #unwatchInputs: (() => void) | null = null;
  #usualSetup: string | null = null;
  #wrapped = 0;
  #streamAliveAt = Number.NEGATIVE_INFINITY;
  #on = false;

  constructor(context: PolicyContext, knowledge: CacheKnowledge) {
    this.#context = context;
    this.knowledge = knowledge;
    this.#meanings = new Meanings(knowledge.statements);
    this.shared = knowledge.shared === undefined ? null : new SharedGenerations(knowledge.shared, () => this.lose());
    this.#announcements = {
      closing: (tags) => this.shared?.closing(tags) ?? null,
      settled: (tags, outcome) => {
        if (outcome === 'unknown') {
          this.#note('a connection was lost while a write was on its way: what it may have changed is not cached any more');
        }
        this.shared?.settled(tags, outcome);
      },
    };
  }

  /** A policy comes: until the function returned is called the tracker is there for it, though it may be off. */
  join(dependent: Dependent): () => void {
    if (this.#dependents.size === 0) {
      this.#unwatchInputs = watchOtherInputs(this.#storage, (socket) => this.#owns(socket));
    }
    this.#dependents.add(dependent);
    return () => {
      this.#dependents.delete(dependent);
      this.switch(dependent, false);
      if (this.#undo.length === 0) this.#tearDown();
    };
  }

  /** Statements are followed while any policy is on. */
  switch(dependent: Dependent, on: boolean): void {
    if (on) this.#active.add(dependent);
    else this.#active.delete(dependent);
    this.#follow(this.#active.size > 0);
  }

  get inUse(): boolean {
    return this.#dependents.size > 0;
  }

  /** Whether anything may be kept or served now. */
  get trusted(): boolean {
    if (this.broken !== null || !this.#on) return false;
    if (this.#context.drivers.pgClients.size !== this.#wrapped) {
      this.fail('another copy of pg was loaded: its writes were not seen');
      return false;
    }
    // Another policy that answers statements by itself came later and stands in front: what it answers is not seen here.
    if (!this.#wrappers.every(({ owner, name, wrapper }) => Reflect.get(owner, name) === wrapper)) return false;
    if (this.knowledge.outsideWriters === 'streamed' && performance.now() - this.#streamAliveAt > streamSilenceMs) {
      if (this.#streamAliveAt !== Number.NEGATIVE_INFINITY) this.lose();
      this.#streamAliveAt = Number.NEGATIVE_INFINITY;
      return false;
    }
    return this.shared === null || this.shared.connected;
  }

  /** Everything the running code reads until `work`'s last continuation belongs to `reading`; null: to nothing that is kept. */
  within<Result>(reading: Reading | null, work: () => Result): Result {
    return this.#storage.run(reading, work);
  }

  /** The answer that the running code works on; undefined outside of requests. */
  current(): Reading | null | undefined {
    return this.#storage.getStore();
  }

  begin(look: Look | null): Reading {
    const reading = this.beginOne(look);
    this.#open.add(reading);
    return reading;
  }

  /** The same of one statement alone: nothing else is ever read for it, whatever runs meanwhile. */
  beginOne(look: Look | null): Reading {
    return new Reading(this.generations.clock, look?.clock ?? 0);
  }

  /** Whether what was kept may be served. `look` is what processes share, asked after the request had come; null where there is one process. */
  verdict({ tags, ...lease }: Lease & { readonly tags: readonly Tag[] }, look: Look | null): 'fresh' | 'passing' | 'stale' {
    const own = this.generations.verdict(tags, lease);
    if (look === null || own === 'stale') return own;
    if (look.newest > lease.sharedAt) return 'stale';
    return look.closing ? 'passing' : own;
  }

  /** Whether what the finished reading gave may be kept. */
  end(reading: Reading): boolean {
    this.#open.delete(reading);
    return this.trusted && reading.complete && this.generations.keepable(reading.tags, reading);
  }

  /** Writes elsewhere are heard of a moment after they happened. */
  get hearsLate(): boolean {
    return this.knowledge.outsideWriters === 'streamed' || this.shared !== null;
  }

  /** What Anneal heard of the database; anything else means that it stopped listening. */
  receive(news: unknown): void {
    const told = news as CacheNews;
    if (told.kind === 'lost') {
      this.lose();
      return;
    }
    // Nothing that began while nobody listened is kept.
    if (this.#streamAliveAt === Number.NEGATIVE_INFINITY) this.generations.flush();
    this.#streamAliveAt = performance.now();
    if (told.kind !== 'commits') return;
    for (const { transactionId, tags } of told.commits) this.generations.writtenOutside(tags, transactionId);
  }

  /** Writes may have been missed: nothing from before is believed. */
  lose(): void {
    this.#streamAliveAt = Number.NEGATIVE_INFINITY;
    this.generations.flush();
    for (const dependent of this.#dependents) dependent.clear();
  }

  /** For good: the agent cannot vouch for anything it keeps. */
  fail(reason: string): void {
    if (this.broken !== null) return;
    this.broken = reason;
    this.#note(`nothing is cached any more: ${reason}`);
    this.lose();
  }

  #note(sentence: string): void {
    this.#context.observer.problems.note(sentence);
  }

  #follow(on: boolean): void {
    if (on === this.#on) return;
    this.#on = on;
    if (on) {
      this.shared?.open();
      if (this.#undo.length === 0) this.#wrapAll();
      else this.generations.flush();
    } else if (this.shared === null) this.#unwrapAll();
    // Others believe that this process tells of its writes, until they have heard otherwise.
    else void this.shared.leave().then(() => this.#on || this.#unwrapAll());
  }

  #unwrapAll(): void {
    for (const undo of this.#undo) undo();
    this.#undo = [];
    this.#wrappers = [];
    this.#tearDown();
  }

  #tearDown(): void {
    if (this.inUse) return;
    this.#unwatchInputs?.();
    this.#unwatchInputs = null;
    for (const connection of this.#connections.values()) connection.forget();
    this.#connections.clear();
  }

  #wrapAll(): void {
    const { drivers, observer } = this.#context;
    this.generations.flush();
    this.#wrapped = drivers.pgClients.size;
    for (const client of drivers.pgClients) {
      this.#wrap(client, 'connect', (self, args, original) => this.#connects(self, args, original));
      this.#wrap(client, 'query', (self, args, original) => this.#queries(self, args, original));
      this.#wrap(client, '_pulseQueryQueue', (self, args, original) => this.#pulses(self, args, original));
    }
    for (const pool of drivers.pgPools) {
      this.#wrap(pool, 'connect', (self, args, original) => this.#connectsPool(self, args, original));
      this.#wrap(pool, 'query', (self, args, original) => this.#queriesPool(self, args, original));
    }
    // What was sent while nobody looked may be a write that nobody has heard the end of.
    for (const connection of this.#connections.values()) connection.suspect();
    for (const { pool } of observer.pools.all()) {
      for (const client of (pool as { readonly _clients?: readonly object[] } | null)?._clients ?? []) this.#discover(client);
    }
  }

  /** `act` stands in for the method while the tracker follows. */
  #wrap(owner: object, name: string, act: (self: object, args: unknown[], original: Method) => unknown): void {
    const undo = wrapMethod(
      owner,
      name,
      (original) =>
        function (this: unknown, ...args) {
          return act(this as object, args, original);
        },
    );
    if (undo === null) return;
    this.#undo.push(undo);
    this.#wrappers.push({ owner, name, wrapper: Reflect.get(owner, name) as unknown });
  }

  #owns(socket: object): boolean {
    if (this.#ownSockets.has(socket)) return true;
    for (const client of this.#connections.keys()) {
      if ((client as ClientLike).connection?.stream !== socket) continue;
      this.#ownSockets.add(socket);
      return true;
    }
    return false;
  }

  #watch(client: object): WatchedConnection {
    const connection = new WatchedConnection(client, this.generations, this.#announcements);
    this.#connections.set(client, connection);
    (client as ClientLike).connection?.prependListener('end', () => this.#connections.delete(client));
    return connection;
  }

  /** A client from before the policy. */
  #discover(client: object): WatchedConnection {
    const known = this.#connections.get(client);
    if (known !== undefined) return known;
    const connection = this.#watch(client);
    connection.suspect();
    return connection;
  }

  #connects(client: object, args: unknown[], original: Method): unknown {
    this.#carefully(() => {
      if (!this.#connections.has(client)) this.#watch(client);
    });
    return Reflect.apply(original, client, args);
  }

  /** pg calls this whenever a statement ended: the first sign of a client that nobody knew. */
  #pulses(client: object, args: unknown[], original: Method): unknown {
    if (!this.#connections.has(client)) {
      this.#carefully(() => {
        this.#discover(client);
        this.generations.flush();
      });
    }
    return Reflect.apply(original, client, args);
  }

  /** A pool calls back from whatever request gave the connection back: the one that asked has to be put in its place again. */
  #connectsPool(pool: object, [callback]: unknown[], original: Method): unknown {
    return original.call(pool, typeof callback === 'function' ? this.#bound(callback as Method) : callback);
  }

  /** What a request asks of a pool it depends on, whoever answers: another policy may know the answer already. */
  #queriesPool(pool: object, args: unknown[], original: Method): unknown {
    const reading = this.#storage.getStore();
    const meaning = this.#carefully(() => this.#meanings.of(textOf(args[0])));
    const send = () => Reflect.apply(original, pool, args);
    if (meaning?.kind !== 'read') return send();
    if (reading !== undefined && reading !== null) {
      this.#carefully(() => reading.read(this.#tags(tagsRead(meaning.uses, valuesOf(args[0], args[1])))));
    }
    const answer = this.answersPools.get(meaning.template);
    return answer === undefined ? send() : answer(pool, args, send);
  }

  /** The same function, running for whom it was made. */
  #bound(callback: Method): Method {
    const storage = this.#storage;
    const reading = storage.getStore();
    return function bound(this: unknown, ...args) {
      return storage.run(reading!, () => callback.apply(this, args));
    };
  }

  #queries(client: ClientLike, args: unknown[], original: Method): unknown {
    const [statement, values] = args;
    const wait = this.#carefully(() => this.#sends(client, statement, values)) ?? null;
    let promised = !isSubmittable(statement);
    for (const at of [1, 2]) {
      if (typeof args[at] !== 'function') continue;
      promised = false;
      if (this.#storage.getStore() !== undefined) args[at] = this.#bound(args[at] as Method);
    }
    if (wait === null) {
      const result = Reflect.apply(original, client, args);
      this.#insertSnapshot(client);
      return result;
    }
    return this.#held.hold(client, statement, promised, wait, () => Reflect.apply(original, client, args));
  }

  /** An error of the tracker's own costs everything that is kept, and the application nothing. */
  #carefully<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #tags(names: readonly string[]): readonly Tag[] {
    return names.map((name) => this.generations.tag(name));
  }

  /** Null where it may be sent at once. */
  #sends(client: ClientLike, statement: unknown, values: unknown): Promise<void> | null {
    const connection = this.#discover(client);
    const sql = textOf(statement);
    const meaning = this.#meanings.of(sql);
    const given = valuesOf(statement, values);
    const reading = this.#storage.getStore();
    if (reading === undefined) {
      for (const open of this.#open) open.refuse('a statement ran outside of any request meanwhile, perhaps for it');
    }
    const line = this.#held.lineOf(client);
    if (meaning.kind === 'read') {
      if (reading !== undefined && reading !== null)
        this.#reads(reading, connection, isSubmittable(statement), tagsRead(meaning.uses, given));
      return line;
    }
    if (meaning.kind === 'write') reading?.refuse('it writes');
    else if (meaning.kind === 'private-read' || meaning.kind === 'unknown') {
      reading?.refuse('it runs a statement whose answer is not a matter of tables alone');
    }
    const wait = connection.sends(meaning, meaning.kind === 'write' ? this.#tags(tagsWritten(meaning.uses, given)) : [], sql);
    return line === null || wait === null ? (wait ?? line) : line.then(() => wait);
  }

  #reads(reading: Reading, connection: WatchedConnection, throughCursor: boolean, tags: readonly string[]): void {
    const { client } = connection;
    if (throughCursor) reading.refuse('it reads through a cursor');
    else if (!this.#isHere(client)) reading.refuse('it reads over another connection than the one that is known');
    else if (!this.#isUsual(connection)) reading.refuse('it reads over a connection with settings of its own');
    else if (!connection.readsFor(reading.at)) reading.refuse('it reads what is not committed, or in a transaction older than it');
    else {
      reading.read(this.#tags(tags));
      if (this.knowledge.outsideWriters === 'streamed') this.#takeSnapshot(client, reading);
    }
  }

  /** Where the connection is not ready yet, the snapshot goes in front of the statement that has just lined up. */
  #insertSnapshot({ _queryQueue: queue }: ClientLike): void {
    const ahead = this.#snapshotAhead;
    this.#snapshotAhead = null;
    if (ahead !== null && queue?.length === ahead.queued + 1) queue.splice(ahead.queued, 0, ahead.query);
  }

  #isUsual({ setup }: WatchedConnection): boolean {
    this.#usualSetup ??= setup;
    return setup === this.#usualSetup;
  }

  #isHere({ host, port, database, user }: ClientLike): boolean {
    const { connection } = this.knowledge;
    return host === connection.host && port === connection.port && database === connection.database && user === connection.user;
  }

  /** Ahead of the read on the same connection, past the hooks: it is not the application's. */
  #takeSnapshot(client: ClientLike, reading: Reading): void {
    if (!reading.wantsSnapshot(client)) return;
    const { Query } = client.constructor as { readonly Query?: QueryConstructor };
    if (Query === undefined || client._queryQueue === undefined || this.#held.lineOf(client) !== null) {
      reading.refuse('no snapshot could be taken before it read');
      return;
    }
    const query = new Query(snapshotText, (_error, result) => {
      reading.snapshotTaken(result?.rows[0]?.seen);
    });
    if (client.readyForQuery === true) {
      client._queryQueue.push(query);
      client._pulseQueryQueue?.();
    } else this.#snapshotAhead = { query, queued: client._queryQueue.length };
  }
}

const trackers = new WeakMap<object, { readonly key: string; readonly tracker: Tracker }>();

/** Policies of one process share a tracker: what one of them answers from memory the other must know to depend on. */
export function trackerFor(context: PolicyContext, knowledge: CacheKnowledge): Tracker | string {
  const key = JSON.stringify(knowledge);
  const present = trackers.get(context.observer);
  if (present !== undefined && present.tracker.inUse) {
    return present.key === key ? present.tracker : 'another policy rests on different knowledge of the same statements';
  }
  if (context.drivers.pgClients.size === 0) return 'pg, the only driver whose writes are seen, is not loaded';
  const beside = [...context.observer.hooks].find((library) => library.startsWith('postgres '));
  if (beside !== undefined) return `${beside} is loaded too, and what it writes would be noticed too late`;
  const tracker = new Tracker(context, knowledge);
  trackers.set(context.observer, { key, tracker });
  return tracker;
}

/** Answers that `keeper` holds, as a policy: met while it is on, let go whenever it is switched, and followed from the first on. */
export function keptOn(
  tracker: Tracker,
  keeper: Dependent & { take(): Readonly<Record<string, number>> },
  meet: (on: boolean) => void,
): RunningPolicy {
  const leave = tracker.join(keeper);
  const follow = (on: boolean) => {
    meet(on);
    tracker.switch(keeper, on);
    keeper.clear();
  };
  follow(true);
  return {
    switch: follow,
    stop() {
      follow(false);
      leave();
    },
    take: () => keeper.take(),
    receive: (news) => tracker.receive(news),
  };
}
