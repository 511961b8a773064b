import { bytes, quantity } from '../../../finding/wording.ts';
import { counted, defineCheck, index, measured, tableKey, type Complaint } from './check.ts';
import { createSql, dropSql, entriesWritten, isDroppable } from './index-roles.ts';

/** The longest usual cycle of work is a month; a few days more let one month's end fall inside whatever day it began. */
const windowMs = 35 * 24 * 3_600_000;
/** Of a table this small the planner reads every page rather than an index, which it will need once the table has grown. */
const smallPages = 10;

export const unusedIndex = defineCheck({
  id: 'database/unused-index',
  title: 'Index that nothing reads',
  documentation: {
    what: 'An index has not been scanned once since the statistics were reset.',
    why: 'Every insert, and every update that is not heap-only, writes an entry into it; it takes disk, cache and vacuum time, and an indexed column that changes forbids heap-only updates.',
    threshold:
      'No scan in at least 35 days of counting: a month, so that the work of a month’s end is inside, and a few days. Never an index behind a constraint, a primary key, a replica identity or CLUSTER, nor a unique one; never where the table fits 10 pages, which are read whole anyway. With replicas attached it is only a question: their scans are counted there.',
    fix: 'DROP INDEX CONCURRENTLY. Keep the definition, which brings it back.',
    falsePositives:
      'It is not a defect where a replica, a yearly job or a query for emergencies uses it, or where it is an expression index that exists for its statistics.',
    sources: ['PostgreSQL manual 27.2.20 pg_stat_all_indexes', 'Azure SQL and Azure PostgreSQL index tuning: 90 and 35 days'],
  },
  requires: ['postgres.index-health', 'postgres.table-health', 'postgres.activity', 'postgres.server', 'postgres.foreign-keys'],
  examine(observations) {
    const { 'postgres.index-health': indexes, 'postgres.activity': activity, 'postgres.server': server } = observations;
    const days = activity.countedMs / (24 * 3_600_000);
    if (activity.countedMs < windowMs)
      return { complaints: [], otherwise: `scans have been counted for ${quantity(days)} days; below 35 no index can be called unused` };
    if (server.isReplica) return { complaints: [], otherwise: 'this is a replica: what it does not scan its primary may' };
    const tables = new Map(observations['postgres.table-health'].map((row) => [tableKey(row.schema, row.name), row]));
    const references = new Set(observations['postgres.foreign-keys'].map((key) => JSON.stringify([key.schema, key.table, key.columns[0]])));
    const idle = indexes.filter((row) => row.scans === 0 && row.isValid && !row.isUnique && isDroppable(row));
    const complaints = idle.flatMap((row): Complaint[] => {
      const table = tables.get(tableKey(row.schema, row.table));
      if (table === undefined || table.pages <= smallPages) return [];
      // It will be asked for the first time when a referenced row is deleted.
      if (references.has(JSON.stringify([row.schema, row.table, row.keys[0]?.column]))) return [];
      const object = index(row);
      return [
        {
          object,
          level: server.replicas > 0 ? 'note' : 'warning',
          message: `${object.name} (${bytes(row.sizeBytes)}) was not scanned once in ${quantity(days)} days, while ${quantity(entriesWritten(table))} entries were written to it${server.replicas > 0 ? ` (${counted(server.replicas, 'replica')} may scan it)` : ''}`,
          usedShare: row.sizeBytes / Math.max(table.sizeBytes + row.sizeBytes, 1),
          evidence: [
            measured('scans', 0, '1', 'pg_stat_get_numscans'),
            measured('time counted', activity.countedMs, 'ms', 'pg_stat_database.stats_reset'),
            measured('size', row.sizeBytes, 'By', 'pg_relation_size'),
            measured('entries written', entriesWritten(table), '1', 'pg_stat_get_tuples_inserted, _updated'),
            measured('replicas', server.replicas, '1', 'pg_stat_replication, pg_replication_slots'),
          ],
          costIfIgnored: `Every row written to ${table.name} goes on writing an entry that nobody reads, and ${bytes(row.sizeBytes)} of disk and cache go with it.`,
          fix: {
            title: `Drop ${object.name}`,
            text:
              server.replicas > 0
                ? 'First look on every replica: SELECT idx_scan FROM pg_stat_user_indexes. Only where it is 0 on all of them.'
                : 'Nothing waits while it is dropped. The way back builds it again beside readers and writers.',
            up: dropSql(row),
            down: createSql(row),
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(indexes.length, 'index')} looked at over ${quantity(days)} days: each was scanned, or enforces or identifies something`,
    };
  },
});
