import type { SettingObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

/** Settings as numbers with their origin. What this session set for itself is told as it was before. */
export const configuration = snapshotProbe('configuration', 'postgres.configuration', async (sql) => {
  const { rows } = await sql.query<{ name: string; shown: string; setting: string; unit: string | null; kind: string; source: string }>(
    own(`SELECT name, current_setting(name) AS shown, setting, unit, vartype AS kind, source FROM pg_settings WHERE name = ANY($1)`),
    [names],
  );
  return Object.fromEntries(
    rows.map(({ name, shown, setting, unit, kind, source }): [string, SettingObservation] => [
      name,
      { shown, value: kind === 'integer' || kind === 'real' ? Number(setting) * (factors[unit ?? ''] ?? 1) : null, source },
    ]),
  );
});

/** To bytes and milliseconds from the units of pg_settings. */
const factors: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1024,
  '8kB': 8192,
  '16kB': 16_384,
  '32kB': 32_768,
  MB: 1024 ** 2,
  ms: 1,
  s: 1000,
  min: 60_000,
};

const names = `
  block_size max_connections superuser_reserved_connections reserved_connections track_counts track_io_timing
  random_page_cost seq_page_cost effective_cache_size shared_buffers work_mem hash_mem_multiplier jit jit_above_cost
  fsync full_page_writes max_wal_size checkpoint_timeout max_slot_wal_keep_size
  autovacuum autovacuum_naptime autovacuum_vacuum_threshold autovacuum_vacuum_scale_factor autovacuum_vacuum_max_threshold
  autovacuum_analyze_threshold autovacuum_analyze_scale_factor
  autovacuum_freeze_max_age autovacuum_multixact_freeze_max_age vacuum_failsafe_age vacuum_multixact_failsafe_age`
  .trim()
  .split(/\s+/);
