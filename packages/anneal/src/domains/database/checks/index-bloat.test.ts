import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { indexBloat } from './index-bloat.ts';

const smallCache = ({ 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
  'postgres.configuration': { ...settings, shared_buffers: { ...settings['shared_buffers']!, value: 1024 ** 2 } },
});

test('a B-tree whose entries are nearly all gone is found, and built anew by the fix', async () => {
  await using database = await createTestDatabase();
  await paste(
    database.client,
    `CREATE TABLE jobs (id int PRIMARY KEY, state text) WITH (autovacuum_enabled = false);
INSERT INTO jobs SELECT g, 'new' FROM generate_series(1, 40000) g;
DELETE FROM jobs WHERE id % 20 <> 0;
VACUUM ANALYZE jobs;`,
  );
  const { findings } = await judge(indexBloat, database.url, smallCache);
  expect(findings).toMatchObject([
    { level: 'warning', subject: { name: 'public.jobs_pkey' }, proposal: { code: 'REINDEX INDEX CONCURRENTLY public.jobs_pkey;' } },
  ]);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(indexBloat, database.url, smallCache)).findings).toEqual([]);
});

test('trees grown by random inserts, deduplicated, partial and on expressions are in order', async () => {
  await using database = await createTestDatabase();
  await paste(
    database.client,
    `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT md5(random()::text)::uuid, name text, plan int);
CREATE INDEX ON users (lower(name));
CREATE INDEX ON users (plan);
CREATE INDEX ON users (name) WHERE plan = 1;
INSERT INTO users (name, plan) SELECT md5(g::text), g % 5 FROM generate_series(1, 20000) g;
VACUUM ANALYZE users;`,
  );
  expect(await judge(indexBloat, database.url, smallCache)).toEqual({
    findings: [],
    reasons: [expect.stringContaining('4 B-trees with statistics looked at')],
  });
});
