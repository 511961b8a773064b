import type { CheckpointObservation } from '../../../measurement/database-health.ts';
import { databaseProbe, own } from './database-probe.ts';

const capability = 'postgres.checkpoints';

/** Checkpoints of the server since their counters were reset: in pg_stat_bgwriter before version 17, in a view of their own since. */
export const checkpoints = databaseProbe('checkpoints', [capability], async (sql) => async () => {
  const { rows: versions } = await sql.query<{ version: number }>(own(`SELECT current_setting('server_version_num')::int AS version`));
  const version = versions[0]!.version;
  const { rows } = await sql.query<CheckpointObservation>(
    own(`SELECT ${version >= 170_000 ? 'num_timed' : 'checkpoints_timed'}::float8 AS timed,
           ${version >= 170_000 ? 'num_requested' : 'checkpoints_req'}::float8 AS requested,
           (extract(epoch FROM now() - stats_reset) * 1000)::float8 AS "countedMs",
           ${version >= 140_000 ? '(SELECT wal_bytes / greatest(extract(epoch FROM now() - stats_reset), 1) FROM pg_stat_wal)' : 'NULL'}::float8 AS "walBytesPerSecond"
      FROM ${version >= 170_000 ? 'pg_stat_checkpointer' : 'pg_stat_bgwriter'}`),
  );
  return { observations: { [capability]: rows[0]! } };
});
