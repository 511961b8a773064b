import { totalmem } from 'node:os';
import type { ServerObservation } from '../../../measurement/database-health.ts';
import { databaseProbe, own } from './database-probe.ts';
import { localBackends } from './processes.ts';

/** Which server this is, and the machine's memory where it is this one. */
export const server = databaseProbe('server', ['postgres.server'], async (sql, { processes }) => async () => {
  const { rows } = await sql.query<Omit<ServerObservation, 'memoryBytes'>>(
    own(`SELECT current_setting('server_version_num')::int AS "versionNumber", current_database() AS database,
           pg_is_in_recovery() AS "isReplica", (extract(epoch FROM now() - pg_postmaster_start_time()) * 1000)::float8 AS "uptimeMs",
           ((SELECT count(*) FROM pg_stat_replication) + (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active))::int AS replicas,
           CASE WHEN has_database_privilege(current_database(), 'CONNECT') THEN pg_database_size(current_database())::float8 END AS "databaseSizeBytes"`),
  );
  const memoryBytes = (await localBackends(sql, processes)) === null ? null : totalmem();
  return { observations: { 'postgres.server': { ...rows[0]!, memoryBytes } } };
});
