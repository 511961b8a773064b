import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** For arranging and asserting; the code under test opens its own connections. */
  readonly client: pg.Client;
}

/** As `server_version_num` has it: 180004. For what only newer servers can do. */
export const serverVersion = inject('postgresVersion');

/** A fresh database on the shared server, dropped when disposed: `await using database = await createTestDatabase()`. */
export async function createTestDatabase(setupSql = '', template = 'template1'): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  if (setupSql !== '') await client.query(setupSql);
  return {
    name,
    url: url.href,
    client,
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => {});
      // FORCE came with PostgreSQL 13; without it the server waits five seconds for the ended sessions to go.
      const hasForce = serverVersion >= 130_000;
      if (!hasForce) await administer(serverUrl, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
      await administer(serverUrl, `DROP DATABASE IF EXISTS ${name}${hasForce ? ' WITH (FORCE)' : ''}`);
    },
  };
}

export interface IdleDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  query<Row extends pg.QueryResultRow>(sql: string): Promise<pg.QueryResult<Row>>;
}

/** Like `createTestDatabase`, but connected only while it is asked: a database in use cannot be copied. */
export async function createIdleDatabase(setupSql = '', template = 'template1'): Promise<IdleDatabase> {
  const { name, url, client, [Symbol.asyncDispose]: drop } = await createTestDatabase(setupSql, template);
  await client.end();
  return {
    name,
    url,
    query: async (sql) => {
      const asking = new pg.Client({ connectionString: url });
      await asking.connect();
      try {
        return await asking.query(sql);
      } finally {
        await asking.end();
      }
    },
    [Symbol.asyncDispose]: drop,
  };
}

async function administer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
