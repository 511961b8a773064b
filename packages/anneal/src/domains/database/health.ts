import type { Health } from '../domain.ts';
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
