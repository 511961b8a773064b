import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../../../ports/sql.ts';

/** People look again after about this long; a build that is done before needs no progress. */
const everyMs = 1000;

interface BuildRow {
  readonly phase: string;
  readonly blocks_done: number;
  readonly blocks_total: number;
  readonly tuples_done: number;
  readonly tuples_total: number;
  readonly locker: number | null;
  readonly application: string | null;
  readonly state: string | null;
  readonly seconds: number | null;
}

/**
 * Tells what a session's index build is doing while `work` runs, once a second: the phase and its share
 * (pg_stat_progress_create_index, PostgreSQL 12 on), or whom it waits for. Progress is a courtesy: when it
 * cannot be read the build goes on in silence.
 */
export async function whileReporting<T>(
  building: Sql,
  watching: Sql | undefined,
  report: ((detail: string) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (watching === undefined || report === undefined) return work();
  const { rows } = await building.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const done = new AbortController();
  const telling = tell(rows[0]!.pid, watching, report, done.signal).catch(() => undefined);
  try {
    return await work();
  } finally {
    done.abort();
    await telling;
  }
}

async function tell(pid: number, watching: Sql, report: (detail: string) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal });
    const { rows } = await watching.query<BuildRow>(
      `SELECT p.phase, p.blocks_done::float8, p.blocks_total::float8, p.tuples_done::float8, p.tuples_total::float8,
              a.pid AS locker, a.application_name AS application, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::int AS seconds
         FROM pg_stat_progress_create_index p
         LEFT JOIN pg_stat_activity a ON a.pid = nullif(p.current_locker_pid, 0) AND p.phase LIKE 'waiting%'
        WHERE p.pid = $1`,
      [pid],
    );
    for (const row of rows) report(sentenceOf(row));
  }
}

function sentenceOf({ phase, locker, application, state, seconds, ...work }: BuildRow): string {
  if (locker !== null) {
    const name = application === null || application === '' ? 'unnamed' : application;
    return `${phase}: session ${locker} (${name}, ${state ?? 'unknown'}, open ${seconds ?? 0} s) has to end first`;
  }
  const [done, total] = work.blocks_total > 0 ? [work.blocks_done, work.blocks_total] : [work.tuples_done, work.tuples_total];
  return total > 0 ? `${phase}: ${Math.floor((100 * done) / total)} %` : phase;
}
