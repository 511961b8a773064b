import type { PoolLike, PoolRecord, Pools } from './pools.ts';
import type { Policy } from './protocol.ts';

const largestPool = 10_000;

/** Changes of behaviour in force, each with its undo. All end when Anneal's socket closes. */
export class Policies {
  readonly #pools: Pools;
  readonly #inForce = new Map<string, { readonly record: PoolRecord; readonly originalMax: number }>();

  constructor(pools: Pools) {
    this.#pools = pools;
  }

  ids(): readonly string[] {
    return [...this.#inForce.keys()];
  }

  /** Null when in force, else why not. */
  apply(id: string, policy: Policy): string | null {
    if (policy.kind !== 'pool-size') return `this agent does not know policies of kind ${String(policy.kind)}`;
    if (!Number.isInteger(policy.max) || policy.max < 1 || policy.max > largestPool) return `a pool cannot hold ${policy.max} connections`;
    if (this.#inForce.has(id)) return `the policy ${id} is already in force`;
    const record = this.#pools.named(policy.pool);
    const pool = record?.pool ?? null;
    if (record === undefined || pool === null) return `there is no pool named ${policy.pool}`;
    for (const [other, { record: taken }] of this.#inForce) {
      if (taken === record) return `the pool ${policy.pool} already follows the policy ${other}`;
    }
    this.#inForce.set(id, { record, originalMax: pool.options.max });
    resize(record, pool, policy.max);
    return null;
  }

  revoke(id: string): void {
    const applied = this.#inForce.get(id);
    if (applied === undefined) return;
    this.#inForce.delete(id);
    const { pool } = applied.record;
    if (pool !== null) resize(applied.record, pool, applied.originalMax);
  }

  revokeAll(): void {
    for (const id of this.ids()) this.revoke(id);
  }
}

/**
 * `max` is read at every checkout. Growing also wakes callers that already wait; shrinking closes
 * idle connections now and busy ones when they come back, else a loaded pool would never shrink.
 */
function resize(record: PoolRecord, pool: PoolLike, max: number): void {
  const before = pool.options.max;
  pool.options.max = max;
  record.trimming = max < before;
  if (max > before) {
    for (let woken = Math.min(pool.waitingCount, max - before); woken > 0; woken -= 1) pool._pulseQueue?.();
    return;
  }
  for (const { client } of pool._idle?.slice() ?? []) {
    if (pool.totalCount <= max) return;
    pool._remove?.(client);
  }
}

/** Called as a connection comes back: pg-pool closes those it finds expired right after. */
export function trimOnRelease(record: PoolRecord, client: object): void {
  const { pool } = record;
  if (pool === null) return;
  if (pool.totalCount > pool.options.max) pool._expired?.add(client);
  else record.trimming = false;
}
