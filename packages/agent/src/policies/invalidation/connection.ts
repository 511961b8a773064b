import type { Generations, Tag } from './generations.ts';
import type { Meaning } from './knowledge.ts';

/** What the agent uses of a connected `pg.Client`. */
export interface ClientLike {
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly connection?: {
    readonly stream?: object;
    prependListener(event: 'readyForQuery', listener: (message: { readonly status?: string } | undefined) => void): unknown;
    prependListener(event: 'end', listener: () => void): unknown;
    removeListener(event: string, listener: (...args: never[]) => void): unknown;
  };
  readonly readyForQuery?: boolean;
  readonly _queryQueue?: object[];
  readonly _sentQueryQueue?: readonly object[];
  readonly _activeQuery?: object | null;
  readonly _txStatus?: string | null;
  readonly _ending?: boolean;
  readonly _queryable?: boolean;
  _pulseQueryQueue?(): void;
}

/** What a connection's writes are told to beyond this process; see `shared-generations.ts`. */
export interface WriteAnnouncements {
  /** Before anything that may commit is sent. Null: nothing to wait for. */
  closing(tags: ReadonlySet<Tag>): Promise<void> | null;
  /** The outcome is known (or never will be: then nothing is lifted). */
  settled(tags: ReadonlySet<Tag>, outcome: 'known' | 'unknown'): void;
}

/**
 * One connection's writes, from the application's call until the server is ready again. The server's own
 * `ReadyForQuery` says whether a transaction is open (manual, "Message Formats"), so nothing hangs on reading
 * BEGIN and COMMIT right. Where a doubt is left, marks stay longer and tags are bumped once more than needed.
 */
export class WatchedConnection {
  readonly client: ClientLike;
  readonly #generations: Generations;
  readonly #announce: WriteAnnouncements;
  readonly #written = new Set<Tag>();
  #closing = false;
  #announced = false;
  /** True from the call that may open a transaction until the server says that none is open. */
  #inTransaction: boolean;
  /** The clock when it began: what is read in it is as old as that. */
  #since = 0;
  /** Something unknown was run on it: it may have settings of its own, which answers depend on. */
  #peculiar = false;
  /** What it was set to before anything else was asked of it; null while that goes on, and where nobody watched. */
  #setup: string | null;
  #settings = '';
  #status: string | null;

  constructor(client: ClientLike, generations: Generations, announce: WriteAnnouncements) {
    this.client = client;
    this.#generations = generations;
    this.#announce = announce;
    this.#status = client._txStatus ?? null;
    this.#inTransaction = this.#status !== 'I';
    this.#setup = client.readyForQuery === true ? '' : null;
    client.connection?.prependListener('readyForQuery', this.#ready);
    client.connection?.prependListener('end', this.#ended);
  }

  /** Not watched until now: whatever it is in the middle of may be a write to anything. */
  suspect(): void {
    if (this.#pending === 0 && this.client.readyForQuery === true && this.#status === 'I') return;
    this.#inTransaction = true;
    this.#mark([this.#generations.everything]);
    void this.#close();
  }

  /** What is read over it now is no older than `at`, and touched by nobody's uncommitted writes. */
  readsFor(at: number): boolean {
    return this.#written.size === 0 && !this.#peculiar && (!this.#inTransaction || this.#since >= at);
  }

  /** The settings it began with. A pool gives all of its connections the same ones. */
  get setup(): string {
    this.#setup ??= this.#settings;
    return this.#setup;
  }

  /** The application is about to send a statement. A promise: it may be sent only when that resolves. */
  sends(meaning: Meaning, tags: readonly Tag[], sql: string | null): Promise<void> | null {
    if (this.client._ending === true || this.client._queryable === false) return null;
    switch (meaning.kind) {
      case 'setting':
        if (this.#setup === null) this.#settings += `${sql};`;
        else this.#peculiar = true;
        return null;
      case 'begin':
        this.#open();
        return null;
      case 'unknown':
        this.#peculiar = true;
        this.#open();
        this.#mark([this.#generations.everything]);
        return this.#close();
      case 'write':
        this.#mark(tags);
        // Sent inside of a transaction that is known to be open it commits nothing.
        return this.#status === 'T' && this.client.readyForQuery === true && this.#pending === 0 ? null : this.#close();
      case 'commit':
        return this.#written.size === 0 ? null : this.#close();
      default:
        return null;
    }
  }

  /** No more is heard of it: marks are lifted as if it had ended well; the tags are bumped. */
  forget(): void {
    this.client.connection?.removeListener('readyForQuery', this.#ready);
    this.client.connection?.removeListener('end', this.#ended);
    this.#settle('known');
  }

  get #pending(): number {
    const { _queryQueue: queue, _sentQueryQueue: sent } = this.client;
    return (queue?.length ?? 0) + (sent?.length ?? 0);
  }

  #open(): void {
    if (this.#inTransaction) return;
    this.#inTransaction = true;
    this.#since = this.#generations.clock;
  }

  #mark(tags: readonly Tag[]): void {
    for (const tag of tags) {
      if (this.#written.has(tag)) continue;
      this.#written.add(tag);
      tag.inFlight += 1;
      if (this.#closing) tag.closing += 1;
    }
  }

  #close(): Promise<void> | null {
    if (!this.#closing) {
      this.#closing = true;
      for (const tag of this.#written) tag.closing += 1;
    }
    this.#announced = true;
    return this.#announce.closing(this.#written);
  }

  #unclose(): void {
    if (!this.#closing) return;
    this.#closing = false;
    for (const tag of this.#written) tag.closing -= 1;
  }

  readonly #ready = (message: { readonly status?: string } | undefined): void => {
    this.#status = message?.status ?? null;
    const idle = this.#status === 'I';
    const more = this.#pending > 0;
    if (!more) this.#inTransaction = !idle;
    else if (!idle) this.#open();
    if (this.#written.size === 0) return;
    // Bumped before the application hears of it: pg's own listener comes after this one.
    if (idle || this.#closing) this.#generations.bump(this.#written);
    if (more) return;
    if (idle) this.#settle('known');
    else {
      this.#unclose();
      this.#tell('known');
    }
  };

  /** Lost while something was on its way that may have committed: nobody will ever say. */
  readonly #ended = (): void => {
    this.#settle(this.#closing ? 'unknown' : 'known');
  };

  #settle(outcome: 'known' | 'unknown'): void {
    if (this.#written.size === 0) return;
    this.#generations.bump(this.#written);
    this.#tell(outcome);
    if (outcome === 'known') {
      this.#unclose();
      for (const tag of this.#written) tag.inFlight -= 1;
    }
    this.#written.clear();
    this.#closing = false;
  }

  #tell(outcome: 'known' | 'unknown'): void {
    if (!this.#announced) return;
    this.#announced = false;
    this.#announce.settled(this.#written, outcome);
  }
}
