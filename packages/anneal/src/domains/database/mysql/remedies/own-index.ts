import type { Mysql } from '../../../../ports/mysql.ts';
import type { ActContext } from '../../../../remedy/remedy.ts';

/** All that applying and undoing need, as data. `database` guards against a plan carried to another one. */
export type IndexPlace = {
  readonly database: string;
  readonly table: string;
  readonly name: string;
};

export interface FoundIndex {
  readonly columns: readonly string[];
  readonly isIgnored: boolean;
  readonly comment: string;
}

export async function findIndex(mysql: Mysql, { table, name }: IndexPlace): Promise<FoundIndex | null> {
  const ignored = mysql.product === 'MariaDB' ? `IGNORED = 'YES'` : `IS_VISIBLE = 'NO'`;
  const rows = await mysql.query<{ column: string | null; isIgnored: number; comment: string }>(
    `SELECT COLUMN_NAME AS \`column\`, ${ignored} AS isIgnored, INDEX_COMMENT AS comment FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = ? ORDER BY SEQ_IN_INDEX`,
    [mysql.database, table, name],
  );
  const [first] = rows;
  if (first === undefined) return null;
  return { columns: rows.map(({ column }) => column ?? ''), isIgnored: first.isIgnored === 1, comment: first.comment };
}

export function connectionOf({ mysql }: ActContext, { database }: IndexPlace): Mysql {
  if (mysql === undefined) throw new Error('a remedy of MySQL was called without its connection');
  if (mysql.database !== database) throw new Error(`the plan is for the database ${database}, the connection for ${mysql.database}`);
  return mysql;
}
