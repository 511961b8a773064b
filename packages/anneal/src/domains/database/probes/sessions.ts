import type { SessionObservation } from '../../../measurement/database-health.ts';
import { databaseProbe, own } from './database-probe.ts';

const capability = 'postgres.sessions';

type Row = Omit<SessionObservation, 'wait' | 'statement'> & {
  readonly text: string | null;
  readonly hidden: boolean;
  readonly isWaiting: boolean;
};

/**
 * Who is connected to this database and what holds them up. pg_blocking_pids stops the lock manager for a moment
 * (manual, 9.27.1), so it is asked only for sessions that wait.
 */
export const sessions = databaseProbe('sessions', [capability], async (sql, { sqlParser }) => async () => {
  const { rows } = await sql.query<Row>(
    own(`SELECT pid, usename AS "user", application_name AS application, coalesce(state, '') AS state, query AS text, query = '<insufficient privilege>' AS hidden,
           ${since('xact_start')} AS "transactionMs", ${since('query_start')} AS "statementMs", ${since('state_change')} AS "stateMs",
           wait_event_type IS NOT DISTINCT FROM 'Lock' AS "isWaiting"
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name NOT LIKE 'anneal%'
       AND (backend_type = 'client backend' OR backend_type IS NULL)
     ORDER BY xact_start NULLS LAST, pid`),
  );
  const visible = rows.filter(({ hidden }) => !hidden);
  const hidden = rows.length - visible.length;
  const reason = `${hidden} of ${rows.length} sessions are hidden: GRANT pg_read_all_stats to the role of the database URL`;
  const gaps = hidden > 0 ? [{ capability, reason } as const] : [];
  if (hidden > 0 && visible.length === 0) return { observations: {}, gaps };
  const waits = new Map((visible.some(({ isWaiting }) => isWaiting) ? await readWaits() : []).map((wait) => [wait.pid, wait]));
  const observed = visible.map(({ text, hidden: _hidden, isWaiting, ...session }): SessionObservation => {
    const wait = isWaiting ? waits.get(session.pid) : undefined;
    return {
      ...session,
      statement: text === null || text === '' ? null : sqlParser.normalise(text),
      wait: wait === undefined ? null : { ...wait.wait, waitedMs: wait.wait.waitedMs ?? session.statementMs ?? 0 },
    };
  });
  return { observations: { [capability]: observed }, gaps };

  /**
   * A row lock is a wait for the transaction that has the row; the one in front holds a `tuple` lock that names the
   * table, those behind it wait for that (manual, 13.3.2). `waitstart` is known from version 14 on.
   */
  async function readWaits() {
    const { rows } = await sql.query<{
      readonly pid: number;
      readonly wait: Omit<NonNullable<SessionObservation['wait']>, 'waitedMs'> & { readonly waitedMs: number | null };
    }>(
      own(`SELECT l.pid, jsonb_build_object('blockedBy', to_jsonb(pg_blocking_pids(l.pid)), 'mode', l.mode, 'lockType', l.locktype,
             'relation', (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                           WHERE c.oid = coalesce(l.relation, (SELECT t.relation FROM pg_locks t WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1))),
             'waitedMs', ${since(`(to_jsonb(l)->>'waitstart')::timestamptz`)}) AS wait
        FROM pg_locks l WHERE NOT l.granted`),
    );
    return rows;
  }
});

function since(moment: string): string {
  return `(extract(epoch FROM clock_timestamp() - ${moment}) * 1000)::float8`;
}
