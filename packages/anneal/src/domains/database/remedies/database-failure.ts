import { AnnealError } from '../../../errors.ts';
import type { Sql } from '../../../ports/sql.ts';

export interface Act {
  readonly remedy: string;
  /** As it continues "the role x may not ...": `create an index on public.posts`. */
  readonly action: string;
  readonly table: { readonly schema: string; readonly name: string };
  /** What would give the role the privilege it lacks. */
  readonly privilegeHint: string;
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

/** Turns what PostgreSQL threw during an act into the catalogue's error; Anneal's own errors and an abort pass through. */
export async function explainFailure(error: unknown, sql: Sql, act: Act): Promise<unknown> {
  if (error instanceof AnnealError || act.signal?.aborted === true) return error;
  const options = { cause: error };
  switch (sqlState(error)) {
    case '42501':
      return new AnnealError(
        'ANNEAL_DATABASE_PRIVILEGE',
        { role: await currentRole(sql), action: act.action, remedy: act.privilegeHint },
        options,
      );
    case '25006':
      return new AnnealError('ANNEAL_DATABASE_READ_ONLY', { database: sql.label }, options);
    case '55P03':
      return new AnnealError(
        'ANNEAL_DATABASE_LOCKED',
        { action: act.action, waitMs: act.waitMs, holders: await lockHolders(sql, act.table) },
        options,
      );
    default:
      return new AnnealError(
        'ANNEAL_APPLY_FAILED',
        { remedy: act.remedy, problem: error instanceof Error ? error.message : String(error) },
        options,
      );
  }
}

export function sqlState(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

async function currentRole(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ role: string }>('SELECT current_user::text AS role');
  return rows[0]?.role ?? 'of this connection';
}

/**
 * A concurrent build waits for locks on its table and for every older snapshot of the database
 * (manual, CREATE INDEX, "Building Indexes Concurrently"): both kinds of holder are named.
 */
async function lockHolders(sql: Sql, table: Act['table']): Promise<string> {
  const { rows } = await sql.query<{ pid: number; application: string; state: string | null; seconds: number }>(
    `SELECT a.pid, a.application_name AS application, a.state, extract(epoch FROM now() - a.xact_start)::int AS seconds
       FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
        AND (a.backend_xmin IS NOT NULL
             OR EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE l.pid = a.pid AND l.granted AND n.nspname = $1 AND c.relname = $2))
      ORDER BY a.xact_start
      LIMIT 3`,
    [table.schema, table.name],
  );
  if (rows.length === 0) return 'a transaction that has ended since';
  return rows
    .map(
      ({ pid, application, state, seconds }) =>
        `session ${pid} (${application === '' ? 'unnamed' : application}, ${state ?? 'unknown'}, open ${seconds} s)`,
    )
    .join(', ');
}
