import type { ReplicationSlotObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

/** Slots of the whole server: what one of them keeps fills the disk of all databases. `wal_status` came with version 13. */
export const replicationSlots = snapshotProbe('replication slots', 'postgres.replication-slots', async (sql) => {
  const { rows } = await sql.query<ReplicationSlotObservation>(
    own(`SELECT slot_name AS name, slot_type AS kind, active AS "isActive", to_jsonb(s)->>'wal_status' AS status,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::float8 AS "retainedBytes"
      FROM pg_replication_slots s WHERE NOT temporary ORDER BY slot_name`),
  );
  return rows;
});
