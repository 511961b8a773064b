import { takeSnapshot, type SnapshotOptions } from './domains/database/snapshot/take-snapshot.ts';
import { AnnealError } from './errors.ts';
import type { DatabaseSnapshot } from './ports/database-snapshot.ts';
import type { Sql } from './ports/sql.ts';
import type { RunOptions } from './run.ts';

export { parseSnapshot } from './domains/database/snapshot/snapshot-file.ts';

export interface DatabaseSnapshotOptions extends RunOptions {
  readonly values: SnapshotOptions['values'];
}

/**
 * All that a planner needs of the PostgreSQL 12 to 18 at this URL, read in one read-only transaction. Throws what
 * connecting throws, and ANNEAL_DATABASE_UNSUPPORTED for other databases.
 */
export async function snapshotDatabaseAt(
  url: string,
  { outside, progress, signal, values }: DatabaseSnapshotOptions,
): Promise<DatabaseSnapshot> {
  const protocol = /^([a-z][a-z0-9+.-]*):/iu.exec(url)?.[1]?.toLowerCase();
  if (protocol !== undefined && !protocol.startsWith('postgres')) {
    throw new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', {
      database: `behind ${protocol}://`,
      problem: 'only the planner of PostgreSQL is known',
    });
  }
  progress.stage('Connecting');
  await using sql = await outside.databases.connect(url, { applicationName: 'anneal snapshot', readOnly: true });
  signal.throwIfAborted();
  await refuseOtherVersions(sql);
  const snapshot = await takeSnapshot(sql, {
    values,
    sqlParser: outside.sqlParser,
    takenAt: outside.clock.now().toISOString(),
    progress,
  });
  signal.throwIfAborted();
  return snapshot;
}

async function refuseOtherVersions(sql: Sql): Promise<void> {
  const { rows } = await sql.query<{ version: string; number: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number`,
  );
  const { version, number } = rows[0]!;
  if (number >= 120_000) return;
  throw new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', { database: sql.label, problem: `it is version ${version}` });
}
