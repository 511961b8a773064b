import type { Rule } from '../../finding/finding.ts';
import type { Probe } from '../../measurement/measurement.ts';
import type { Health } from '../domain.ts';
import { correlatedColumns } from './checks/correlated-columns.ts';
import { defaultMemory } from './checks/default-memory.ts';
import { duplicateIndex } from './checks/duplicate-index.ts';
import { invalidIndex } from './checks/invalid-index.ts';
import { jitOverhead } from './checks/jit-overhead.ts';
import { missingPrimaryKey } from './checks/missing-primary-key.ts';
import { missingVectorIndex } from './checks/missing-vector-index.ts';
import { randomPageCost } from './checks/random-page-cost.ts';
import { redundantIndex } from './checks/redundant-index.ts';
import { sequenceExhaustion } from './checks/sequence-exhaustion.ts';
import { spilledSorts } from './checks/spilled-sorts.ts';
import { staleStatistics } from './checks/stale-statistics.ts';
import { toastHeavyTable } from './checks/toast-heavy-table.ts';
import { unindexedForeignKey } from './checks/unindexed-foreign-key.ts';
import { unloggedTable } from './checks/unlogged-table.ts';
import { unusedIndex } from './checks/unused-index.ts';
import { databaseChecks } from './checks/index.ts';
import { filteredColumns } from './derivations/filtered-columns.ts';
import { activity } from './probes/activity.ts';
import { checkpoints } from './probes/checkpoints.ts';
import { configuration } from './probes/configuration.ts';
import { extendedStatistics } from './probes/extended-statistics.ts';
import { foreignKeys } from './probes/foreign-keys.ts';
import { indexHealth } from './probes/index-health.ts';
import { preparedTransactions } from './probes/prepared-transactions.ts';
import { replicationSlots } from './probes/replication-slots.ts';
import { sequences } from './probes/sequences.ts';
import { server } from './probes/server.ts';
import { sessions } from './probes/sessions.ts';
import { timeColumns, vectorColumns } from './probes/special-columns.ts';
import { statementHistory } from './probes/statement-history.ts';
import { tableHealth } from './probes/table-health.ts';
import { transactionAges } from './probes/transaction-ages.ts';

/** Sessions come first: what they do now may be over before the catalogue is read. */
export const databaseHealth: Health = {
  probes: [
    sessions,
    server,
    configuration,
    activity,
    preparedTransactions,
    replicationSlots,
    checkpoints,
    transactionAges,
    tableHealth,
    indexHealth,
    foreignKeys,
    sequences,
    extendedStatistics,
    timeColumns,
    vectorColumns,
    statementHistory,
  ],
  derivations: [filteredColumns],
  checks: databaseChecks,
};

/**
 * Of these, what a measured window has to answer for: the schema, its statistics, and what the statements of the window
 * made of both. The server's own health is no matter of one workload, and a copy of a database has none.
 */
export const checksOfWorkload: readonly Rule[] = [
  staleStatistics,
  correlatedColumns,
  invalidIndex,
  duplicateIndex,
  redundantIndex,
  unusedIndex,
  unindexedForeignKey,
  missingPrimaryKey,
  missingVectorIndex,
  sequenceExhaustion,
  toastHeavyTable,
  unloggedTable,
  spilledSorts,
  jitOverhead,
  randomPageCost,
  defaultMemory,
];

/** What those read beside the probes of a window. */
export const probesOfWorkload: readonly Probe[] = [
  server,
  configuration,
  activity,
  tableHealth,
  indexHealth,
  sequences,
  extendedStatistics,
  vectorColumns,
  statementHistory,
];
