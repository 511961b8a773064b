import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of one real PostgreSQL that the whole test run shares. Create databases, never touch `postgres`. */
    postgresUrl: string;
  }
}

/** TEST_DATABASE_URL names a server to use instead; its role must be allowed to create databases. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined) {
    project.provide('postgresUrl', given);
    return async () => {};
  }
  const postgres = await startEmbeddedPostgres({ settings: { fsync: 'off', shared_buffers: '256MB' } });
  project.provide('postgresUrl', postgres.url);
  return () => postgres.stop();
}
