import type { Rule } from '../../../finding/finding.ts';
import { autovacuumOff } from './autovacuum-off.ts';
import { cacheMisses } from './cache-misses.ts';
import { connectionsNearLimit } from './connections-near-limit.ts';
import { correlatedColumns } from './correlated-columns.ts';
import { defaultMemory } from './default-memory.ts';
import { duplicateIndex } from './duplicate-index.ts';
import { durabilityOff } from './durability-off.ts';
import { idleInTransaction } from './idle-in-transaction.ts';
import { indexBloat } from './index-bloat.ts';
import { invalidIndex } from './invalid-index.ts';
import { ioTimingOff } from './io-timing-off.ts';
import { jitOverhead } from './jit-overhead.ts';
import { lockWait } from './lock-wait.ts';
import { longQuery } from './long-query.ts';
import { longTransaction } from './long-transaction.ts';
import { missingPrimaryKey } from './missing-primary-key.ts';
import { missingVectorIndex } from './missing-vector-index.ts';
import { overIndexedTable } from './over-indexed-table.ts';
import { preparedTransaction } from './prepared-transaction.ts';
import { randomPageCost } from './random-page-cost.ts';
import { redundantIndex } from './redundant-index.ts';
import { replicationSlot } from './replication-slot.ts';
import { requestedCheckpoints } from './requested-checkpoints.ts';
import { sequenceExhaustion } from './sequence-exhaustion.ts';
import { spilledSorts } from './spilled-sorts.ts';
import { staleStatistics } from './stale-statistics.ts';
import { tableBloat } from './table-bloat.ts';
import { temporaryFiles } from './temporary-files.ts';
import { timeSeriesTable } from './time-series-table.ts';
import { toastHeavyTable } from './toast-heavy-table.ts';
import { transactionIdAge } from './transaction-id-age.ts';
import { unindexedForeignKey } from './unindexed-foreign-key.ts';
import { unloggedTable } from './unlogged-table.ts';
import { unusedIndex } from './unused-index.ts';
import { vacuumBehind } from './vacuum-behind.ts';

/** Every check, what can stop the database first. */
export const databaseChecks: readonly Rule[] = [
  durabilityOff,
  autovacuumOff,
  transactionIdAge,
  sequenceExhaustion,
  replicationSlot,
  preparedTransaction,
  connectionsNearLimit,
  lockWait,
  idleInTransaction,
  longTransaction,
  longQuery,
  vacuumBehind,
  staleStatistics,
  correlatedColumns,
  invalidIndex,
  duplicateIndex,
  redundantIndex,
  unusedIndex,
  overIndexedTable,
  unindexedForeignKey,
  missingPrimaryKey,
  missingVectorIndex,
  tableBloat,
  indexBloat,
  timeSeriesTable,
  toastHeavyTable,
  unloggedTable,
  cacheMisses,
  spilledSorts,
  temporaryFiles,
  requestedCheckpoints,
  jitOverhead,
  randomPageCost,
  defaultMemory,
  ioTimingOff,
];
