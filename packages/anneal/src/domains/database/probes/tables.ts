import type { TableObservation } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import { counted, databaseProbe, own } from './database-probe.ts';

/**
 * Activity per table. A backend reports its counters at most once a second, and an idle one after ten
 * (manual, 27.2.2), so each end of the window may be up to a second behind: the two cancel out under
 * steady load. Row counts are the planner's own estimate, which is what its plans are made from.
 */
export const tables = databaseProbe('tables', ['postgres.tables'], async (sql) => {
  const before = new Map((await read(sql)).map((row) => [row.id, row]));
  return async () => ({
    observations: { 'postgres.tables': (await read(sql)).map((row) => between(before.get(row.id), row)) },
  });
});

interface Row extends TableObservation {
  readonly id: string;
}

async function read(sql: Sql): Promise<readonly Row[]> {
  const { rows } = await sql.query<Row>(
    own(`SELECT s.relid::text AS id, s.schemaname AS schema, s.relname AS name,
           CASE WHEN c.relpages > 0 THEN greatest(c.reltuples, 0) ELSE s.n_live_tup END::float8 AS "liveRows",
           pg_relation_size(s.relid)::float8 AS "sizeBytes",
           s.seq_scan::float8 AS "sequentialScans", s.seq_tup_read::float8 AS "sequentialRowsRead", coalesce(s.idx_scan, 0)::float8 AS "indexScans",
           s.n_tup_ins::float8 AS inserts, s.n_tup_upd::float8 AS updates, s.n_tup_hot_upd::float8 AS "hotUpdates", s.n_tup_del::float8 AS deletes
      FROM pg_stat_user_tables s
      JOIN pg_class c ON c.oid = s.relid`),
  );
  return rows;
}

function between(before: Row | undefined, after: Row): TableObservation {
  return {
    schema: after.schema,
    name: after.name,
    liveRows: after.liveRows,
    sizeBytes: after.sizeBytes,
    sequentialScans: counted(before?.sequentialScans, after.sequentialScans),
    sequentialRowsRead: counted(before?.sequentialRowsRead, after.sequentialRowsRead),
    indexScans: counted(before?.indexScans, after.indexScans),
    inserts: counted(before?.inserts, after.inserts),
    updates: counted(before?.updates, after.updates),
    hotUpdates: counted(before?.hotUpdates, after.hotUpdates),
    deletes: counted(before?.deletes, after.deletes),
  };
}
