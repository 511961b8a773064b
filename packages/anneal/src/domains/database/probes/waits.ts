import type { WaitObservation } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import { databaseProbe, own } from './database-probe.ts';

/**
 * Five looks a second: 150 in a window of 30 s tell a share of 10 % from nothing (binomial error 2.4
 * points), and a look costs the server well under a millisecond.
 */
const intervalMs = 200;

/** What active sessions of the target were waiting for; those that wait for nothing are on a processor (`CPU`). */
export const waits = databaseProbe('waits', ['postgres.waits'], async (sql, { clock }) => {
  const samples = new Map<string, Sample>();
  const stop = new AbortController();
  let failure: Error | null = null;
  const sampling = (async () => {
    while (!stop.signal.aborted) {
      for (const sample of await look(sql)) {
        const key = `${sample.eventType}/${sample.event}`;
        samples.set(key, { ...sample, samples: (samples.get(key)?.samples ?? 0) + sample.samples });
      }
      await clock.sleep(intervalMs, stop.signal).catch(() => {});
    }
  })().catch((error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  return async () => {
    stop.abort();
    await sampling;
    if (failure !== null) throw failure;
    return { observations: { 'postgres.waits': shares([...samples.values()]) } };
  };
});

type Sample = Omit<WaitObservation, 'share'>;

async function look(sql: Sql): Promise<readonly Sample[]> {
  const { rows } = await sql.query<Sample>(
    own(`SELECT coalesce(wait_event_type, 'CPU') AS "eventType", coalesce(wait_event, 'CPU') AS event, count(*)::int AS samples
      FROM pg_stat_activity
     WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND application_name NOT LIKE 'anneal%'
     GROUP BY 1, 2`),
  );
  return rows;
}

function shares(samples: readonly Sample[]): readonly WaitObservation[] {
  const all = samples.reduce((sum, sample) => sum + sample.samples, 0);
  return samples.map((sample) => ({ ...sample, share: sample.samples / all })).sort((a, b) => b.samples - a.samples);
}
