import type { ExtendedStatisticsObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

export const extendedStatistics = snapshotProbe('extended statistics', 'postgres.extended-statistics', async (sql) => {
  const { rows } = await sql.query<ExtendedStatisticsObservation>(
    own(`SELECT n.nspname AS schema, c.relname AS "table", s.stxname AS name,
           ARRAY(SELECT a.attname::text FROM unnest(s.stxkeys::int2[]) k(number) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY 1) AS columns
      FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     ORDER BY 1, 2, 3`),
  );
  return rows;
});
