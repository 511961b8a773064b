import type { TimeColumnObservation, VectorColumnObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';
import { madeByUsers } from './user-relations.ts';

/** Dates and timestamps with how far the rows lie in their order. */
export const timeColumns = snapshotProbe('time columns', 'postgres.time-columns', async (sql) => {
  const { rows } = await sql.query<TimeColumnObservation>(
    own(`WITH orders AS MATERIALIZED (SELECT schemaname, tablename, attname, inherited, correlation FROM pg_stats WHERE correlation IS NOT NULL)
      SELECT n.nspname AS schema, c.relname AS "table", a.attname AS "column", s.correlation::float8 AS correlation
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'D'
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN orders s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
     WHERE a.attnum > 0 AND NOT a.attisdropped AND ${madeByUsers}
     ORDER BY 1, 2, 3`),
  );
  return rows;
});

/** Columns of the types that the extension pgvector brings; none where it is not installed. */
export const vectorColumns = snapshotProbe('vector columns', 'postgres.vector-columns', async (sql) => {
  const { rows } = await sql.query<VectorColumnObservation>(
    own(`SELECT n.nspname AS schema, c.relname AS "table", a.attname AS "column", t.typname AS type
      FROM pg_extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
      JOIN pg_type t ON t.oid = d.objid AND t.typname IN ('vector', 'halfvec', 'sparsevec')
      JOIN pg_attribute a ON a.atttypid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE e.extname = 'vector' AND ${madeByUsers}
     ORDER BY 1, 2, 3`),
  );
  return rows;
});
