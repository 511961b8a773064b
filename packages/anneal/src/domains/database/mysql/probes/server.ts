import type { MysqlProbe } from './mysql-probe.ts';

export const server: MysqlProbe = {
  id: 'mysql server',
  provides: ['mysql.server'],
  async read(mysql) {
    const [settings] = await mysql.query<{ isReadOnly: number; pageBytes: number }>(
      'SELECT @@global.read_only AS isReadOnly, @@global.innodb_page_size AS pageBytes',
    );
    const counters = await mysql.query<{ Variable_name: string; Value: string }>(
      `SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Questions', 'Com_stmt_execute')`,
    );
    const counter = (name: string) => Number(counters.find(({ Variable_name }) => Variable_name === name)?.Value ?? 0);
    return {
      observations: {
        'mysql.server': {
          product: mysql.product,
          version: mysql.version,
          database: mysql.database,
          uptimeMs: 1000 * counter('Uptime'),
          isReadOnly: settings!.isReadOnly !== 0,
          pageBytes: settings!.pageBytes,
          statements: counter('Questions'),
          preparedExecutions: counter('Com_stmt_execute'),
        },
      },
      gaps: [],
    };
  },
};
