import type { Sql } from '../ports/sql.ts';
import { sqlState } from './database-copies.ts';

/**
 * Lets `copying` make copies that owe the write-ahead log the same.
 *
 * After a checkpoint the first change of a page logs the whole page (manual, full_page_writes), and copies are many
 * pages of log: what the copying writes brings a checkpoint by itself (max_wal_size), often between two copies. The one
 * made before it then logs a page with every write and the other none: of two equal arms one logged 97 % less in every
 * one of thirteen rounds, and after a checkpoint behind both of them the same to the byte.
 *
 * So a checkpoint comes before the copies, which are new to it and owe no page; and where another one came meanwhile, a last
 * one behind them, so that both owe all. The first leaves a minute of writes with the entries they make, which is what a
 * change of indexes changes; the second is fair, but a page of 8 kB beside an entry of 64 bytes hides what the entry costs.
 * Page images cannot be taken out of the figures instead: the free space that is left out of them is counted nowhere.
 *
 * Without the privilege for CHECKPOINT nothing is done: trials then need twice as much, and what resolves says so in a sentence for the
 * reader. Null where the copies owe the same.
 */
export async function onEqualFooting(admin: Sql, copying: () => Promise<void>): Promise<string | null> {
  const begunAt = await checkpoint(admin);
  await copying();
  if (begunAt === null) return unequalFooting;
  if (await mayHaveCheckpointed(admin, begunAt)) await checkpoint(admin);
  return null;
}

const unequalFooting =
  'The role may not CHECKPOINT, so one copy of the database may log whole pages where the other logs entries, and less is proven ' +
  'about what is written: GRANT pg_checkpoint to it (from PostgreSQL 15 on), or let a superuser connect.';

/** Where the log would be read from after a crash now; null where the role may not ask for it (before PostgreSQL 15 only superusers). */
async function checkpoint(admin: Sql): Promise<string | null> {
  try {
    await admin.query('CHECKPOINT', [], { timeoutMs: 0 });
  } catch (error) {
    if (sqlState(error) === '42501') return null;
    throw error;
  }
  const { rows } = await admin.query<{ redo: string }>('SELECT redo_lsn::text AS redo FROM pg_control_checkpoint()');
  return rows[0]!.redo;
}

/**
 * Whether another checkpoint has ended since, or may be under way: nothing shows one before its end, but it begins at the
 * earliest when half of max_wal_size is written (manual, 28.5: max_wal_size / (1 + checkpoint_completion_target)).
 */
async function mayHaveCheckpointed(admin: Sql, since: string): Promise<boolean> {
  const { rows } = await admin.query<{ may: boolean }>(
    `SELECT redo_lsn <> $1::pg_lsn
            OR 2 * (pg_current_wal_insert_lsn() - $1::pg_lsn) >= pg_size_bytes(current_setting('max_wal_size')) AS may
       FROM pg_control_checkpoint()`,
    [since],
  );
  return rows[0]!.may;
}
