import type { TableHealthObservation } from '../../../measurement/database-health.ts';
import type { Gap } from '../../../measurement/measurement.ts';
import type { Sql } from '../../../ports/sql.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import { databaseProbe, own } from './database-probe.ts';
import { heapPages, paddingSql } from './page-demand.ts';
import { madeByUsers, notLocked } from './user-relations.ts';

const capability = 'postgres.table-health';

/** Every table of users: size, statistics, vacuum, age and what was written since the counters were reset. */
export const tableHealth = databaseProbe('table health', [capability], async (sql) => async () => {
  const rows = await read(sql);
  const measured = await measurePages(sql, rows.filter(looksWasteful));
  const left = await leftOut(sql);
  return { observations: { [capability]: rows.map((row) => observe(row, measured.get(row.id))) }, gaps: left };
});

interface Row extends Omit<TableHealthObservation, 'neededPages' | 'neededPagesSource'> {
  readonly id: string;
  readonly blockBytes: number;
  readonly columns: number;
  readonly widthBytes: number | null;
  readonly paddingBytes: number | null;
}

/**
 * Counters are asked for by function and not by view: the views compute all of them for every table. `relfrozenxid` is 0
 * where there is no storage, and `age(0)` would be the largest age there is.
 */
async function read(sql: Sql): Promise<readonly Row[]> {
  const { rows } = await sql.query<Row>(
    own(`WITH widths AS MATERIALIZED (
             SELECT s.schemaname, s.tablename, s.attname, s.inherited, s.avg_width, s.null_frac FROM pg_stats s),
           shapes AS (
             SELECT a.attrelid, count(*)::int AS columns,
                    CASE WHEN count(*) = count(w.attname) THEN sum((1 - w.null_frac) * w.avg_width)::float8 END AS width,
                    sum(${paddingSql('a', 'w.avg_width')})::float8 AS padding, count(w.attname) > 0 AS analysed
               FROM pg_attribute a
               JOIN pg_class k ON k.oid = a.attrelid AND k.relkind IN ('r', 'p', 'm')
               JOIN pg_namespace m ON m.oid = k.relnamespace
               LEFT JOIN widths w ON w.schemaname = m.nspname AND w.tablename = k.relname AND w.attname = a.attname AND w.inherited = (k.relkind = 'p')
              WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid)
         SELECT c.oid::text AS id, n.nspname AS schema, c.relname AS name,
           CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'm' THEN 'materialized-view' ELSE 'table' END AS kind,
           c.relispartition AS "isPartition", c.relpersistence = 'u' AS "isUnlogged",
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS "hasPrimaryKey",
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                      AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(number, place)
                                        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
                                       WHERE place <= i.indnkeyatts AND NOT a.attnotnull)) AS "hasUniqueKey",
           c.relpages AS pages, CASE WHEN c.relpages > 0 THEN greatest(c.reltuples, 0) ELSE pg_stat_get_live_tuples(c.oid) END::float8 AS rows,
           pg_relation_size(c.oid)::float8 AS "sizeBytes", coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)::float8 AS "toastBytes",
           CASE WHEN has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) THEN coalesce(s.analysed, false) END AS "isAnalysed",
           pg_stat_get_mod_since_analyze(c.oid)::float8 AS "modifiedRows",
           pg_stat_get_live_tuples(c.oid)::float8 AS "liveRows", pg_stat_get_dead_tuples(c.oid)::float8 AS "deadRows",
           (extract(epoch FROM now() - greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))) * 1000)::float8 AS "vacuumedAgoMs",
           (extract(epoch FROM now() - greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))) * 1000)::float8 AS "analysedAgoMs",
           pg_stat_get_tuples_inserted(c.oid)::float8 AS inserts, pg_stat_get_tuples_updated(c.oid)::float8 AS updates,
           pg_stat_get_tuples_hot_updated(c.oid)::float8 AS "hotUpdates", pg_stat_get_tuples_deleted(c.oid)::float8 AS deletes,
           coalesce((SELECT jsonb_object_agg(split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)) FROM unnest(c.reloptions) o), '{}') AS options,
           greatest(CASE WHEN c.relfrozenxid <> '0' THEN age(c.relfrozenxid) ELSE 0 END, CASE WHEN t.relfrozenxid <> '0' THEN age(t.relfrozenxid) ELSE 0 END) AS "transactionAge",
           greatest(CASE WHEN c.relminmxid <> '0' THEN mxid_age(c.relminmxid) ELSE 0 END, CASE WHEN t.relminmxid <> '0' THEN mxid_age(t.relminmxid) ELSE 0 END) AS "multixactAge",
           current_setting('block_size')::int AS "blockBytes", coalesce(s.columns, 0) AS columns, s.width AS "widthBytes", s.padding AS "paddingBytes"
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
      LEFT JOIN shapes s ON s.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'm') AND ${madeByUsers} AND ${notLocked}
     ORDER BY n.nspname, c.relname`),
  );
  return rows;
}

function demand(row: Row): number | null {
  const { rows, widthBytes, columns, blockBytes, options } = row;
  if (widthBytes === null || row.kind === 'partitioned') return null;
  const fillShare = Number(options['fillfactor'] ?? 100) / 100;
  return heapPages({ rows, widthBytes, paddingBytes: row.paddingBytes ?? 0, columns, fillShare, blockBytes });
}

/** Small enough to read in about a tenth of a second from any disk, and five of them at most. */
const cheapBytes = 64e6;
const cheapTables = 5;

function looksWasteful(row: Row): boolean {
  const needed = demand(row);
  return needed !== null && row.pages > 100 && needed < row.pages / 2 && row.sizeBytes <= cheapBytes;
}

/** pgstattuple's count of what is alive, where the extension is there and this role may call it. */
async function measurePages(sql: Sql, suspects: readonly Row[]): Promise<ReadonlyMap<string, number>> {
  const measured = new Map<string, number>();
  if (suspects.length === 0) return measured;
  const { rows: found } = await sql.query<{ schema: string }>(
    own(`SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
           JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'pgstattuple_approx'
          WHERE e.extname = 'pgstattuple' AND has_function_privilege(p.oid, 'EXECUTE')`),
  );
  const [extension] = found;
  if (extension === undefined) return measured;
  for (const row of suspects.toSorted((a, b) => b.pages - a.pages).slice(0, cheapTables)) {
    const { rows } = await sql.query<{ liveBytes: number }>(
      own(`SELECT approx_tuple_len::float8 AS "liveBytes" FROM ${quoteIdentifier(extension.schema)}.pgstattuple_approx($1::oid)`),
      [row.id],
    );
    const fillShare = Number(row.options['fillfactor'] ?? 100) / 100;
    measured.set(row.id, Math.ceil(((rows[0]?.liveBytes ?? 0) + 4 * row.rows) / ((row.blockBytes - 24) * fillShare)));
  }
  return measured;
}

function observe(row: Row, measuredPages: number | undefined): TableHealthObservation {
  const { id: _, blockBytes: _block, columns: _columns, widthBytes: _width, paddingBytes: _padding, ...observed } = row;
  return {
    ...observed,
    neededPages: measuredPages ?? demand(row),
    neededPagesSource: measuredPages === undefined ? 'statistics' : 'pgstattuple',
  };
}

async function leftOut(sql: Sql): Promise<readonly Gap[]> {
  const { rows } = await sql.query<{ name: string }>(
    own(`SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'm') AND ${madeByUsers} AND NOT (${notLocked}) ORDER BY 1`),
  );
  if (rows.length === 0) return [];
  const names = rows.map(({ name }) => name).join(', ');
  return [{ capability, reason: `not looked at, because somebody holds or awaits an exclusive lock: ${names}` }];
}
