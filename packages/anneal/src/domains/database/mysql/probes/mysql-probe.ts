import { attempt } from '../../../../measurement/measure.ts';
import type { Gap, ProbeReading } from '../../../../measurement/measurement.ts';
import type { Capability, Observations } from '../../../../measurement/observations.ts';
import type { Mysql } from '../../../../ports/mysql.ts';

/** Reads one source of a MySQL or MariaDB once, over a read-only connection; a later one sees what earlier ones read. */
export interface MysqlProbe {
  readonly id: string;
  readonly provides: readonly Capability[];
  read(mysql: Mysql, observations: Partial<Observations>): Promise<MysqlReading>;
}

export type MysqlReading = Pick<ProbeReading, 'observations' | 'gaps'>;

/** One after the other: a health check must not be a load. What a probe throws becomes a gap with the message as its reason. */
export async function readAll(probes: readonly MysqlProbe[], mysql: Mysql): Promise<MysqlReading> {
  let observations: Partial<Observations> = {};
  const gaps: Gap[] = [];
  for (const probe of probes) {
    const reading = await attempt(probe, () => probe.read(mysql, observations));
    observations = { ...observations, ...reading.observations };
    gaps.push(...reading.gaps);
  }
  return { observations, gaps };
}

export function unread(provides: readonly Capability[], reason: string): MysqlReading {
  return { observations: {}, gaps: provides.map((capability) => ({ capability, reason })) };
}

/** The server said no, as against a connection that is lost. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error && typeof error.sqlState === 'string';
}

/** `ER_TABLEACCESS_DENIED_ERROR` and its like. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.includes('ACCESS_DENIED_ERROR');
}
