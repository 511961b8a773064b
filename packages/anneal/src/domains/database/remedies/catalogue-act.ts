import { AnnealError } from '../../../errors.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { ActContext } from '../../../remedy/remedy.ts';
import { type Act, explainFailure } from './database-failure.ts';
import { withSettings } from './session-settings.ts';

/** As long as an index may wait (`add-index.ts`): what waits here holds up neither reads nor writes. */
const lockTimeoutMs = 60_000;

/** Runs an act on the catalogue: locks may be waited for, but not for ever, and what PostgreSQL throws becomes the catalogue's error. */
export async function actOnCatalogue(
  context: ActContext,
  what: Omit<Act, 'waitMs' | 'signal'>,
  work: (sql: Sql) => Promise<void>,
): Promise<void> {
  const sql = databaseOf(context, what.remedy);
  const act: Act = { ...what, waitMs: lockTimeoutMs, ...(context.signal === undefined ? {} : { signal: context.signal }) };
  try {
    await withSettings(sql, { lock_timeout: `${lockTimeoutMs}ms`, statement_timeout: '0' }, () => work(sql));
  } catch (error) {
    throw await explainFailure(error, sql, act);
  }
}

export function databaseOf(context: ActContext, remedy: string): Sql {
  if (context.sql !== null) return context.sql;
  throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem: 'the target has no database' });
}
