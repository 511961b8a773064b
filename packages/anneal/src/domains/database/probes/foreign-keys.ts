import type { ForeignKeyObservation } from '../../../measurement/observations.ts';
import { own, snapshotProbe } from './database-probe.ts';

export const foreignKeys = snapshotProbe('foreign keys', 'postgres.foreign-keys', async (sql) => {
  const { rows } = await sql.query<ForeignKeyObservation>(
    own(`SELECT k.conname AS name, n.nspname AS schema, c.relname AS "table",
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY place) AS columns,
           fn.nspname AS "referencedSchema", fc.relname AS "referencedTable",
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY place) AS "referencedColumns"
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class fc ON fc.oid = k.confrelid
      JOIN pg_namespace fn ON fn.oid = fc.relnamespace
     WHERE k.contype = 'f'
     ORDER BY n.nspname, c.relname, k.conname`),
  );
  return rows;
});
