import { uptime } from 'node:os';
import type { Gap, Probe, ProbeContext } from '../../../measurement/measurement.ts';
import type { ProcessObservation } from '../../../measurement/observations.ts';
import type { ProcessIdentity, Processes, ProcessUsage } from '../../../ports/processes.ts';
import type { Sql } from '../../../ports/sql.ts';
import { counted, own } from './database-probe.ts';

const capability = 'system.processes';

/**
 * Processor time and memory of the target and, where PostgreSQL runs on this machine, of the backends
 * of its database. A backend that ended inside the window takes its figures with it; one that
 * started inside it counts from zero.
 */
export const processes: Probe = {
  id: 'processes',
  provides: [capability],
  async open(context) {
    const before = await usageByPid(context);
    return {
      async close() {
        const after = await usageByPid(context);
        const observations = after.found.map(({ role, identity, usage }): ProcessObservation => {
          const earlier = before.found.find(
            (other) => other.identity.pid === identity.pid && other.identity.startTicks === identity.startTicks,
          );
          return { role, pid: identity.pid, cpuMs: counted(earlier?.usage.cpuMs, usage.cpuMs), residentBytes: usage.residentBytes };
        });
        return { observations: observations.length > 0 ? { [capability]: observations } : {}, gaps: after.gaps };
      },
    };
  },
};

interface Found {
  readonly role: 'target' | 'database';
  readonly identity: ProcessIdentity;
  readonly usage: ProcessUsage;
}

async function usageByPid({
  sql,
  processes,
  targetPid,
}: ProbeContext): Promise<{ readonly found: readonly Found[]; readonly gaps: readonly Gap[] }> {
  const found: Found[] = [];
  const gaps: Gap[] = [];
  const add = async (role: Found['role'], pid: number) => {
    const [identity, usage] = [await processes.identify(pid), await processes.usage(pid)];
    if (identity !== null && usage !== null) found.push({ role, identity, usage });
  };
  if (targetPid !== null) await add('target', targetPid);
  if (sql !== null) {
    const backends = await localBackends(sql, processes);
    if (backends === null) gaps.push({ capability, reason: 'PostgreSQL runs on another machine or in another process namespace' });
    for (const pid of backends ?? []) await add('database', pid);
  }
  if (targetPid !== null && !found.some(({ role }) => role === 'target'))
    gaps.push({ capability, reason: 'the target has no readable /proc entry' });
  return { found, gaps };
}

/** /proc counts in clock ticks of a hundredth of a second on every Linux a user sees (proc(5), USER_HZ). */
const ticksPerSecond = 100;
/** Two clocks read one after the other, the second rounded to ticks; a reused pid is not off by so little. */
const sameStartWithinMs = 2_000;

/**
 * Pids mean nothing on another machine or behind a container's namespace, where the same number may be
 * anybody. So our own session must be, by its start, the process that /proc has under its pid.
 */
export async function localBackends(sql: Sql, processes: Processes): Promise<readonly number[] | null> {
  const { rows } = await sql.query<{ pid: number; own: boolean; startedMs: number }>(
    own(`SELECT pid, pid = pg_backend_pid() AS own, extract(epoch FROM backend_start)::float8 * 1000 AS "startedMs"
      FROM pg_stat_activity
     WHERE datname = current_database() AND (application_name NOT LIKE 'anneal%' OR pid = pg_backend_pid())`),
  );
  const ours = rows.find((row) => row.own);
  const identity = ours === undefined ? null : await processes.identify(ours.pid);
  if (ours === undefined || identity === null) return null;
  const startedMs = Date.now() - uptime() * 1000 + (identity.startTicks / ticksPerSecond) * 1000;
  return Math.abs(startedMs - ours.startedMs) < sameStartWithinMs ? rows.filter((row) => !row.own).map((row) => row.pid) : null;
}
