import type { MysqlProbe } from './mysql-probe.ts';
import { unread } from './mysql-probe.ts';
import { obstacle, tableWaits } from './performance-schema.ts';

/** How often each index led to a row (manual, "The table_io_waits_summary_by_index_usage Table"). */
export const indexUsage: MysqlProbe = {
  id: 'mysql index usage',
  provides: ['mysql.index-usage'],
  async read(mysql, { 'mysql.server': server }) {
    if (server === undefined) return unread(['mysql.index-usage'], 'the server did not say how long it runs');
    const reason = await obstacle(mysql, tableWaits);
    if (reason !== null) return unread(['mysql.index-usage'], reason);
    const rows = await mysql.query<{ table: string; index: string | null; reads: number; writes: number }>(
      `SELECT OBJECT_NAME AS \`table\`, INDEX_NAME AS \`index\`, COUNT_READ AS \`reads\`, COUNT_WRITE AS \`writes\`
         FROM performance_schema.table_io_waits_summary_by_index_usage WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = ?`,
      [mysql.database],
    );
    return {
      observations: {
        'mysql.index-usage': {
          countedMs: server.uptimeMs,
          uses: rows.flatMap(({ index, ...row }) => (index === null ? [] : [{ ...row, index }])),
          writes: Object.fromEntries(
            [...Map.groupBy(rows, ({ table }) => table)].map(([table, own]) => [table, own.reduce((sum, { writes }) => sum + writes, 0)]),
          ),
        },
      },
      gaps: [],
    };
  },
};
