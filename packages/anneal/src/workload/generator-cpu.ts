import { readFile } from 'node:fs/promises';

/** CPU of the calling thread; of the whole process where Node cannot tell (before 23.9). */
export function threadCpuMs(): number {
  const clock: Partial<typeof process> & Pick<typeof process, 'cpuUsage'> = process;
  const { user, system } = clock.threadCpuUsage?.() ?? clock.cpuUsage();
  return (user + system) / 1000;
}

/** Ticks of all cores since boot, and those of them in which the hypervisor ran somebody else. */
export interface CpuTicks {
  readonly total: number;
  readonly stolen: number;
}

/** Null where there is no /proc/stat (not Linux). */
export async function readCpuTicks(): Promise<CpuTicks | null> {
  try {
    return parseCpuTicks(await readFile('/proc/stat', 'utf8'));
  } catch {
    return null;
  }
}

/** proc_stat(5): `cpu user nice system idle iowait irq softirq steal guest guest_nice`; guest time is part of user. */
export function parseCpuTicks(procStat: string): CpuTicks | null {
  const fields = /^cpu +(?<ticks>.+)$/m.exec(procStat)?.groups?.['ticks']?.split(' ').slice(0, 8).map(Number);
  if (fields === undefined || fields.length < 8) return null;
  return { total: fields.reduce((sum, ticks) => sum + ticks, 0), stolen: fields[7]! };
}

/** 0-1; null when either reading is missing. */
export function stealShare(before: CpuTicks | null, after: CpuTicks | null): number | null {
  if (before === null || after === null || after.total <= before.total) return null;
  return (after.stolen - before.stolen) / (after.total - before.total);
}
