import { wrapMethod } from '../hooks/patch.ts';
import type { PoolLike } from '../statements/pools.ts';
import type { PolicyKind } from './policy.ts';

/** Refuses callers of a full pool at once instead of letting its queue grow: a wait without end is the slowest way to fail. */
export interface LimitPoolWaitingPolicy {
  readonly kind: 'limit-pool-waiting';
  /** `PoolSummary.name` of the pool. */
  readonly pool: string;
  /** Callers that may wait for a connection. */
  readonly maxWaiting: number;
}

export const limitPoolWaiting: PolicyKind<LimitPoolWaitingPolicy> = {
  kind: 'limit-pool-waiting',
  actsOn: 'requests',

  start({ pool: name, maxWaiting }, { observer, drivers }, others, control) {
    const pool = observer.pools.named(name)?.pool ?? null;
    if (pool === null) return `there is no pool named ${name}`;
    const prototype = [...drivers.pgPools].find((candidate) => Object.prototype.isPrototypeOf.call(candidate, pool));
    if (prototype === undefined) return `the pool ${name} is of a kind that cannot be limited`;
    const rival = others.find(({ policy }) => policy.pool === name);
    if (rival !== undefined) return `the pool ${name} is already limited by the policy ${rival.id}`;
    let refused = 0;

    // On this pool alone: what others of its prototype do stays as it is.
    const undo = wrapMethod(
      pool,
      'connect',
      (original) =>
        function connect(this: unknown, callback) {
          if (!control.on || !isFull(pool, maxWaiting) || control.draw?.(observer.current()) === false)
            return original.call(this, callback);
          refused += 1;
          const error = Object.assign(new Error(`the pool has ${maxWaiting} callers waiting already`), { code: 'ANNEAL_POOL_FULL' });
          if (typeof callback !== 'function') return Promise.reject(error);
          process.nextTick(callback, error);
          return undefined;
        },
    );
    if (undo === null) return `the pool ${name} cannot be limited`;
    return {
      switch: () => undefined,
      stop: undo,
      take() {
        const taken = { refused };
        refused = 0;
        return taken;
      },
    };
  },
};

/** Nobody is refused who would not have to wait: there is an idle connection, or room for one more. */
function isFull({ waitingCount, idleCount, totalCount, options }: PoolLike, maxWaiting: number): boolean {
  const free = idleCount + Math.max(options.max - totalCount, 0);
  return waitingCount >= free + maxWaiting;
}
