import type { ActivityObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

/**
 * The database's counters. From version 15 on `stats_reset` is null until somebody resets them and they outlive a
 * restart, so the uptime is the least they were counted over.
 */
export const activity = snapshotProbe('activity', 'postgres.activity', async (sql) => {
  const { rows } = await sql.query<ActivityObservation>(
    own(`SELECT (extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) * 1000)::float8 AS "countedMs",
           blks_hit::float8 AS "blocksHit", blks_read::float8 AS "blocksRead", blk_read_time::float8 AS "blockReadMs",
           temp_files::float8 AS "temporaryFiles", temp_bytes::float8 AS "temporaryBytes",
           (SELECT sum(numbackends) FROM pg_stat_database)::int AS sessions
      FROM pg_stat_database WHERE datname = current_database()`),
  );
  if (rows[0] === undefined) throw new Error('pg_stat_database does not list this database');
  return rows[0];
});
