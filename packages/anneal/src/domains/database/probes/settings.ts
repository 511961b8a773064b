import { own, snapshotProbe } from './database-probe.ts';

/**
 * Settings that decide plans, memory and write cost, as `SHOW` prints them. A chosen list and not all:
 * others hold paths, commands and connection strings with passwords.
 */
export const settings = snapshotProbe('settings', 'postgres.settings', async (sql) => {
  const { rows } = await sql.query<{ name: string; value: string }>(
    own(`SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY($1) OR name LIKE 'enable\\_%' ORDER BY name`),
    [names],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
});

const names = `
  server_version server_version_num block_size max_connections superuser_reserved_connections reserved_connections
  track_io_timing compute_query_id
  seq_page_cost random_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost effective_cache_size
  parallel_setup_cost parallel_tuple_cost max_parallel_workers_per_gather max_parallel_workers jit jit_above_cost
  default_statistics_target plan_cache_mode from_collapse_limit join_collapse_limit effective_io_concurrency
  shared_buffers work_mem hash_mem_multiplier maintenance_work_mem temp_buffers
  autovacuum fsync synchronous_commit full_page_writes wal_level max_wal_size checkpoint_timeout
  statement_timeout lock_timeout idle_in_transaction_session_timeout default_transaction_isolation`
  .trim()
  .split(/\s+/);
