import { relative } from 'node:path';
import { captureCallSite, CallSiteSampler } from '../places/call-site.ts';
import { Durations } from '../process/durations.ts';
import { scaledHistogram } from '../histogram.ts';
import type { Problems } from '../problems.ts';
import type { PoolSummary, SourceLocation } from '../protocol.ts';
import type { OpenRequest } from '../requests/request.ts';

/** Kept with the pool itself: a look-up by key would cost every checkout more than the rest of what it is charged. */
const recordOfPool = Symbol('anneal.pool');

/** What the agent uses of a `pg.Pool`; names with an underscore are its internals and may be missing. */
export interface PoolLike {
  readonly options: { max: number };
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly ended?: boolean;
  on(event: 'release', listener: (error: unknown, client: object) => void): unknown;
  _pulseQueue?(): void;
  _remove?(client: object, callback?: () => void): void;
  readonly _idle?: readonly { readonly client: object }[];
  readonly _expired?: WeakSet<object>;
  readonly [recordOfPool]?: PoolRecord;
}

class PoolWindow {
  /** Followed, in all of the figures below. */
  checkouts = 0;
  /** Counted only. */
  passed = 0;
  waits = 0;
  readonly wait = new Durations();
  readonly held = new Durations();
  peakInUse = 0;
  peakWaiting = 0;
}

/** Sees what the pool gets back. It must not hold the pool itself: a record outlives it. */
type Watch = (pool: PoolLike, record: PoolRecord) => void;

export class PoolRecord {
  readonly name: string;
  readonly location: SourceLocation | null;
  readonly sampler = new CallSiteSampler();
  readonly #pool: WeakRef<PoolLike>;
  #watch: Watch | null;
  window = new PoolWindow();
  /** While a policy shrinks or has shrunk the pool: connections beyond its size are closed as they come back. */
  trimming = false;

  constructor(name: string, location: SourceLocation | null, pool: PoolLike, watch: Watch | null) {
    this.name = name;
    this.location = location;
    this.#pool = new WeakRef(pool);
    this.#watch = watch;
  }

  /** From now on its releases are to be seen: where only its own queries take connections nobody needs them. */
  watchReleases(): void {
    const watch = this.#watch;
    this.#watch = null;
    const { pool } = this;
    if (pool !== null) watch?.(pool, this);
  }

  /** Null when the application has ended the pool or let it go. */
  get pool(): PoolLike | null {
    const pool = this.#pool.deref();
    return pool === undefined || pool.ended === true ? null : pool;
  }

  /** A checkout of a request that is not followed. */
  pass(): void {
    this.window.passed += 1;
  }

  /** A checkout ended its wait for somebody's release; null when there was none to wait for. */
  acquired(pool: PoolLike, waitMs: number | null): void {
    const { window } = this;
    window.checkouts += 1;
    window.peakInUse = Math.max(window.peakInUse, pool.totalCount - pool.idleCount);
    if (waitMs === null) return;
    window.waits += 1;
    window.wait.recordMs(waitMs);
  }

  /** A caller just joined the queue, or is being served. */
  noteUse(pool: PoolLike): void {
    const { window } = this;
    if (pool.waitingCount > window.peakWaiting) window.peakWaiting = pool.waitingCount;
    const inUse = pool.totalCount - pool.idleCount;
    if (inUse > window.peakInUse) window.peakInUse = inUse;
  }

  toSummary(): PoolSummary | null {
    const { pool, window } = this;
    this.window = new PoolWindow();
    window.wait.recordMs(0, window.checkouts - window.waits);
    if (pool === null && window.checkouts + window.passed === 0) return null;
    // What was followed stands for what was only counted.
    const factor = window.checkouts === 0 ? 1 : (window.checkouts + window.passed) / window.checkouts;
    return {
      name: this.name,
      location: this.location,
      max: pool?.options.max ?? 0,
      checkouts: window.checkouts + window.passed,
      waits: Math.round(window.waits * factor),
      waitUs: scaledHistogram(window.wait.toData(), factor),
      heldUs: scaledHistogram(window.held.toData(), factor),
      peakInUse: window.peakInUse,
      peakWaiting: window.peakWaiting,
    };
  }
}

/** A connection that a request took out of a pool itself, until its release. */
export class Checkout {
  readonly request: OpenRequest;
  readonly location: SourceLocation | null;
  #running = 0;
  #idleSince: number;
  #idleMs = 0;

  constructor(request: OpenRequest, location: SourceLocation | null, nowMs: number) {
    this.request = request;
    this.location = location;
    this.#idleSince = nowMs;
  }

  queryBegins(nowMs: number): void {
    if (this.#running === 0) this.#idleMs += nowMs - this.#idleSince;
    this.#running += 1;
  }

  queryEnds(nowMs: number): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idleSince = nowMs;
  }

  /** How long no query ran on it. */
  idleMsUntil(nowMs: number): number {
    return this.#idleMs + (this.#running === 0 ? nowMs - this.#idleSince : 0);
  }
}

const mostPools = 64;

/** The pools of this process. A pool's name is where it is made, so that it is the same in every process of the application. */
export class Pools {
  readonly #problems: Problems;
  readonly #records = new Map<string, PoolRecord>();
  readonly #made = new Map<string, number>();

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  /** Called when a pool is made, with its maker on the stack, or when one made before is first used. `watch` is called once its releases are to be seen. */
  register(pool: PoolLike, watch: Watch | null = null): PoolRecord {
    const location = captureCallSite();
    const place = location === null ? 'pool' : `${relative(process.cwd(), location.file)}:${location.line}`;
    const count = (this.#made.get(place) ?? 0) + 1;
    const record = new PoolRecord(count === 1 ? place : `${place}#${count}`, location, pool, watch);
    Object.defineProperty(pool, recordOfPool, { value: record });
    if (this.#records.size >= mostPools) this.#forgetEnded();
    if (this.#records.size >= mostPools) {
      this.#problems.note(`a pool is not reported: the agent keeps ${mostPools} of them`);
      return record;
    }
    this.#made.set(place, count);
    this.#records.set(record.name, record);
    return record;
  }

  recordOf(pool: PoolLike): PoolRecord | undefined {
    return pool[recordOfPool];
  }

  named(name: string): PoolRecord | undefined {
    return this.#records.get(name);
  }

  all(): Iterable<PoolRecord> {
    return this.#records.values();
  }

  take(): readonly PoolSummary[] {
    const summaries = [...this.#records.values()].map((record) => record.toSummary()).filter((summary) => summary !== null);
    this.#forgetEnded();
    return summaries;
  }

  #forgetEnded(): void {
    for (const [name, record] of this.#records) if (record.pool === null) this.#records.delete(name);
  }
}
