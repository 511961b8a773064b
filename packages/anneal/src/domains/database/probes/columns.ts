import type { ColumnObservation } from '../../../measurement/observations.ts';
import { own, snapshotProbe } from './database-probe.ts';

/**
 * Column statistics. A column that was never analysed has `distinct` 0, PostgreSQL's own word for
 * unknown, and the planner's default width of 32 bytes. Widths are those inside the row: what lies
 * out of line (TOAST) counts as its 18-byte pointer.
 */
export const columns = snapshotProbe('columns', 'postgres.columns', async (sql) => {
  const { rows } = await sql.query<ColumnObservation>(
    own(`SELECT n.nspname AS schema, c.relname AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           coalesce(s.avg_width, CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END)::float8 AS "averageWidthBytes",
           coalesce(s.n_distinct, 0)::float8 AS "distinct", coalesce(s.null_frac, 0)::float8 AS "nullShare",
           a.attnotnull AS "notNull"
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN LATERAL (SELECT avg_width, n_distinct, null_frac FROM pg_stats s
                          WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
                          ORDER BY s.inherited = (c.relkind = 'p') DESC LIMIT 1) s ON true
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND n.nspname !~ '^pg_(catalog|toast|temp)' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname, c.relname, a.attnum`),
  );
  return rows;
});
