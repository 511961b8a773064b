import type { MysqlProbe } from './mysql-probe.ts';

export const server: MysqlProbe = {
  id: 'mysql server',
  provides: ['mysql.server'],
  async read(mysql) {
    const [settings] = await mysql.query<{ isReadOnly: number; pageBytes: number }>(
      'SELECT @@global.read_only AS isReadOnly, @@global.innodb_page_size AS pageBytes',
    );
    const [uptime] = await mysql.query<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Uptime'`);
    return {
      observations: {
        'mysql.server': {
          product: mysql.product,
          version: mysql.version,
          database: mysql.database,
          uptimeMs: 1000 * Number(uptime!.Value),
          isReadOnly: settings!.isReadOnly !== 0,
          pageBytes: settings!.pageBytes,
        },
      },
      gaps: [],
    };
  },
};
