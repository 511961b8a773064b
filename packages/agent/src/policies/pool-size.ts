import type { PoolLike, PoolRecord } from '../statements/pools.ts';
import type { PolicyKind } from './policy.ts';

export interface PoolSizePolicy {
  readonly kind: 'pool-size';
  /** `PoolSummary.name` of the pool to resize. */
  readonly pool: string;
  readonly max: number;
}

export const poolSize: PolicyKind<PoolSizePolicy> = {
  kind: 'pool-size',
  // A pool is one for all of its requests: none of them could have another size of it than the next.
  actsOn: 'process',

  start({ pool: name, max }, { observer }, others) {
    const record = observer.pools.named(name);
    const pool = record?.pool ?? null;
    if (record === undefined || pool === null) return `there is no pool named ${name}`;
    const rival = others.find(({ policy }) => policy.pool === name);
    if (rival !== undefined) return `the pool ${name} already follows the policy ${rival.id}`;
    const originalMax = pool.options.max;
    const setTo = (size: number) => {
      const { pool: present } = record;
      if (present !== null) resize(record, present, size);
    };
    setTo(max);
    return {
      switch: (on) => setTo(on ? max : originalMax),
      stop: () => setTo(originalMax),
    };
  },
};

/**
 * `max` is read at every checkout. Growing also wakes callers that already wait; shrinking closes
 * idle connections now and busy ones when they come back, else a loaded pool would never shrink.
 */
function resize(record: PoolRecord, pool: PoolLike, max: number): void {
  const before = pool.options.max;
  pool.options.max = max;
  record.trimming = max < before;
  if (record.trimming) record.watchReleases();
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
