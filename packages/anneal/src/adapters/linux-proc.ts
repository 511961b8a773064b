import { readdirSync, readFileSync } from 'node:fs';

/**
 * What /proc says of processes: proc_pid_stat(5), proc_pid_status(5) and the kernel's Documentation/scheduler/sched-stats.
 *
 * The files are read synchronously on purpose. They come from the kernel's memory, so nothing waits for a disk, and
 * a reading that crossed the thread pool would cost several times the CPU of the reading itself, in the very
 * moment in which CPU is being measured.
 */
export interface ProcessStat {
  readonly pid: number;
  /** `Z` and `X` are dead processes that nobody has waited for yet. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** User plus system time of all threads, ended ones included, in clock ticks (rounded down). */
  readonly cpuTicks: number;
  readonly startTicks: number;
}

/** USER_HZ. It is part of Linux's interface to programs and 100 on every architecture Node runs on: time(7). */
const ticksPerSecond = 100;

export const hasProc = readStat(process.pid) !== null;

export function readStat(pid: number): ProcessStat | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command's name stands in brackets and may itself hold brackets and spaces: the last one ends it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    pid,
    state: fields[0]!,
    parent: field(4),
    group: field(5),
    cpuTicks: field(14) + field(15),
    startTicks: field(22),
  };
}

export function readEveryStat(): readonly ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? []);
}

export const isAlive = (stat: ProcessStat): boolean => stat.state !== 'Z' && stat.state !== 'X';

export interface OwnUsage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly children: readonly number[];
}

/**
 * One process without its children. `schedstat` counts nanoseconds but forgets a thread when it ends; `stat`
 * remembers every thread but rounds down to 10 ms. Neither ever says too much, so the larger of the two is
 * exact while no thread ended and never more than one tick behind.
 */
export function readOwnUsage(pid: number): OwnUsage | null {
  const stat = readStat(pid);
  if (stat === null || !isAlive(stat)) return null;
  let runNs = 0;
  const children: number[] = [];
  let listsChildren = true;
  for (const task of listOrEmpty(`/proc/${pid}/task`)) {
    runNs += Number(readOrNull(`/proc/${pid}/task/${task}/schedstat`)?.split(' ')[0] ?? 0);
    const listed = readOrNull(`/proc/${pid}/task/${task}/children`);
    if (listed === null) listsChildren = false;
    else children.push(...listed.split(' ').filter(Boolean).map(Number));
  }
  const residentKib = /^VmRSS:\s+(\d+) kB/m.exec(readOrNull(`/proc/${pid}/status`) ?? '')?.[1] ?? 0;
  return {
    cpuMs: Math.max(runNs / 1e6, (stat.cpuTicks * 1000) / ticksPerSecond),
    residentBytes: Number(residentKib) * 1024,
    // `children` needs a kernel built with CONFIG_PROC_CHILDREN; without it every process is asked for its parent.
    children: listsChildren ? children : readEveryStat().flatMap((other) => (other.parent === pid ? [other.pid] : [])),
  };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function listOrEmpty(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
