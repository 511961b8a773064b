import type { SettingObservation, TableHealthObservation } from '../../../measurement/database-health.ts';

/**
 * Dead or changed rows at which autovacuum takes a table up: base threshold + scale factor × rows, the table's own
 * storage parameters before the server's (manual, 24.1.6), and no more than autovacuum_vacuum_max_threshold from
 * version 18 on. The manual's defaults stand in for settings that could not be read.
 */
export function autovacuumThreshold(
  action: 'vacuum' | 'analyze',
  { options, rows }: Pick<TableHealthObservation, 'options' | 'rows'>,
  settings: Readonly<Record<string, SettingObservation>>,
): number {
  const setting = (name: string, otherwise: number) => Number(options[name] ?? settings[name]?.value ?? otherwise);
  const base = setting(`autovacuum_${action}_threshold`, 50);
  const factor = setting(`autovacuum_${action}_scale_factor`, action === 'vacuum' ? 0.2 : 0.1);
  const most = action === 'vacuum' ? setting('autovacuum_vacuum_max_threshold', -1) : -1;
  const threshold = base + factor * rows;
  return most >= 0 ? Math.min(threshold, most) : threshold;
}

/** Within a nap of the last time the next is autovacuum's to come, however fast the table changes. */
export function isAutovacuumsTurn(
  lastAgoMs: number | null,
  { options }: Pick<TableHealthObservation, 'options'>,
  settings: Readonly<Record<string, SettingObservation>>,
): boolean {
  const isOn = settings['autovacuum']?.shown !== 'off' && !/^(?:false|off)$/u.test(options['autovacuum_enabled'] ?? '');
  return isOn && lastAgoMs !== null && lastAgoMs < (settings['autovacuum_naptime']?.value ?? 60_000);
}
