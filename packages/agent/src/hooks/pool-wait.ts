import type { PoolLike, PoolRecord } from '../statements/pools.ts';
import type { OpenRequest } from '../requests/request.ts';

/** When a connection was asked for that somebody else has to give back first; 0 where there is one or room for one. Without a limit there always is. */
export function askedAtOf({ options, totalCount, idleCount, waitingCount }: PoolLike): number {
  const waits = options.max > 0 && waitingCount >= idleCount + Math.max(options.max - totalCount, 0);
  return waits ? performance.now() : 0;
}

/** A wait is over, for better or worse. */
export function waitEnds(pool: PoolLike, record: PoolRecord, request: OpenRequest | null, askedAt: number): void {
  const waitMs = askedAt === 0 ? null : performance.now() - askedAt;
  record.acquired(pool, waitMs);
  if (waitMs !== null && request !== null && !request.closed) request.poolWaitMs += waitMs;
}
