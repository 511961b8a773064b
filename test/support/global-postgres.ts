import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of one real PostgreSQL that the whole test run shares. Create databases, never touch `postgres`. */
    postgresUrl: string;
    /** As its `server_version_num` has it: 180004. */
    postgresVersion: number;
  }
}

/** TEST_DATABASE_URL names a server to use instead; its role must be allowed to create databases. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined) {
    await provide(project, given);
    return async () => {};
  }
  // Autovacuum would analyse and clean between what a test arranges and what it asserts, once a minute; here it never comes round.
  const autovacuumNaptime = '20d';
  const postgres = await startEmbeddedPostgres({
    settings: {
      fsync: 'off',
      // Every database that a test drops makes a checkpoint, and page images after it would count as what another test logs.
      full_page_writes: 'off',
      shared_buffers: '256MB',
      autovacuum_naptime: autovacuumNaptime,
    },
  });
  await provide(project, postgres.url);
  return () => postgres.stop();
}

async function provide(project: TestProject, url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
  await client.end();
  project.provide('postgresUrl', url);
  project.provide('postgresVersion', rows[0]!.version);
}
