import type { Mysql } from '../../../../ports/mysql.ts';
import { isDenied } from './mysql-probe.ts';

/** What must be counted for a source to be worth reading: an instrument, and a consumer that keeps it. */
interface Source {
  readonly table: string;
  readonly instrument: string;
  readonly consumer: string;
  /** The server's own count of what found no room. */
  readonly lost: readonly string[];
}

export const digests: Source = {
  table: 'events_statements_summary_by_digest',
  instrument: 'statement/sql/select',
  consumer: 'statements_digest',
  lost: ['Performance_schema_digest_lost'],
};

export const tableWaits: Source = {
  table: 'table_io_waits_summary_by_index_usage',
  instrument: 'wait/io/table/sql/handler',
  consumer: 'thread_instrumentation',
  lost: ['Performance_schema_index_stat_lost', 'Performance_schema_table_instances_lost', 'Performance_schema_table_handles_lost'],
};

/** Why a source cannot be trusted, and what to do; null where it can. */
export async function obstacle(mysql: Mysql, { table, instrument, consumer, lost }: Source): Promise<string | null> {
  const [state] = await mysql.query<{ isOn: number; user: string }>('SELECT @@global.performance_schema AS isOn, CURRENT_USER() AS user');
  if (state!.isOn !== 1) {
    const normal = mysql.product === 'MariaDB' ? ", which is MariaDB's default" : '';
    return `performance_schema is OFF${normal}: write performance_schema=ON under [mysqld] and restart the server; without it nothing is counted`;
  }
  try {
    const [counting] = await mysql.query<{ instrument: number; consumers: number }>(
      `SELECT (SELECT COUNT(*) FROM performance_schema.setup_instruments WHERE NAME = ? AND ENABLED = 'YES' AND TIMED = 'YES') AS instrument,
              (SELECT COUNT(*) FROM performance_schema.setup_consumers WHERE NAME IN (?, 'global_instrumentation', 'thread_instrumentation')
                  AND ENABLED = 'NO') AS consumers`,
      [instrument, consumer],
    );
    if (counting!.instrument === 0)
      return `nothing is counted: UPDATE performance_schema.setup_instruments SET ENABLED = 'YES', TIMED = 'YES' WHERE NAME = '${instrument}'`;
    if (counting!.consumers > 0)
      return `nothing is kept: UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', '${consumer}')`;
    await mysql.query(`SELECT 1 FROM performance_schema.${table} LIMIT 1`);
  } catch (error) {
    if (!isDenied(error)) throw error;
    return `${state!.user} may not read performance_schema: GRANT SELECT ON performance_schema.* TO it`;
  }
  const losses = await mysql.query<{ Variable_name: string; Value: string }>(
    `SHOW GLOBAL STATUS WHERE Variable_name IN (${lost.map(() => '?').join(', ')}) AND Value > 0`,
    lost,
  );
  // Rows counted under no digest leave the digests kept as they are; a table whose use was not counted looks unused.
  if (losses.length === 0 || table === digests.table) return null;
  return `${losses.map(({ Variable_name, Value }) => `${Variable_name} = ${Value}`).join(', ')}: not every table was counted, so none can be called unused; raise performance_schema_max_table_instances`;
}
