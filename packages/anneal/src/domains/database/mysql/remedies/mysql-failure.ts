import { AnnealError } from '../../../../errors.ts';
import type { Mysql } from '../../../../ports/mysql.ts';
import { isRefusal } from '../probes/mysql-probe.ts';

export interface MysqlAct {
  readonly remedy: string;
  /** As it continues "the role x may not ...". */
  readonly action: string;
  readonly signal?: AbortSignal;
}

/** "Server Error Message Reference"; MariaDB shares these numbers. */
const errorNumbers = {
  denied: [1044, 1142, 1143, 1227],
  locked: [1205, 1213],
  readOnly: [1290, 1792, 1836],
} as const;

/** One statement of an act. What the server refuses becomes the catalogue's error; an abort passes through. */
export async function act(mysql: Mysql, statement: string, { remedy, action, signal }: MysqlAct): Promise<void> {
  try {
    await mysql.query(statement, [], signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted === true || !isRefusal(error)) throw error;
    throw await explain(error, mysql, { remedy, action });
  }
}

async function explain(error: unknown, mysql: Mysql, { remedy, action }: MysqlAct): Promise<AnnealError> {
  const options = { cause: error };
  const number = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  const is = (numbers: readonly number[]) => numbers.includes(number);
  if (is(errorNumbers.denied)) {
    const [row] = await mysql.query<{ role: string }>('SELECT CURRENT_USER() AS role');
    return new AnnealError(
      'ANNEAL_DATABASE_PRIVILEGE',
      { role: row?.role ?? 'of this connection', action, remedy: `GRANT INDEX, ALTER ON ${mysql.database}.* TO it` },
      options,
    );
  }
  if (is(errorNumbers.readOnly)) return new AnnealError('ANNEAL_DATABASE_READ_ONLY', { database: mysql.label }, options);
  if (is(errorNumbers.locked)) {
    const [row] = await mysql.query<{ waitMs: number }>('SELECT 1000 * @@session.lock_wait_timeout AS waitMs');
    return new AnnealError('ANNEAL_DATABASE_LOCKED', { action, waitMs: row?.waitMs ?? 0, holders: await openTransactions(mysql) }, options);
  }
  return new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem: error instanceof Error ? error.message : String(error) }, options);
}

/** A change of a table waits for every transaction that has touched it. Who they are, only a role with PROCESS may see. */
async function openTransactions(mysql: Mysql): Promise<string> {
  try {
    const rows = await mysql.query<{ id: number; seconds: number }>(
      `SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds FROM information_schema.INNODB_TRX
        WHERE trx_mysql_thread_id <> CONNECTION_ID() ORDER BY trx_started LIMIT 3`,
    );
    if (rows.length > 0) return rows.map(({ id, seconds }) => `session ${id} (transaction open ${seconds} s)`).join(', ');
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  return 'another transaction';
}
