import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { missingPrimaryKey } from './missing-primary-key.ts';

test('a table whose rows cannot be told apart is found, until it has a key', async () => {
  await using database = await createTestDatabase('CREATE TABLE clicks (at timestamptz, page text); CREATE UNIQUE INDEX ON clicks (page);');
  const { findings } = await judge(missingPrimaryKey, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { name: 'public.clicks' } }]);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(missingPrimaryKey, database.url)).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(missingPrimaryKey, database.url)).findings).toHaveLength(1);
});

test('a unique index that is never null, a partition and a view need none; a partitioned table speaks for its partitions', async () => {
  await using database = await createTestDatabase(`
    CREATE TABLE keyed (code text NOT NULL); CREATE UNIQUE INDEX ON keyed (code);
    CREATE TABLE proper (id int PRIMARY KEY); CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one;
    CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');`);
  expect((await judge(missingPrimaryKey, database.url)).findings.map(({ subject }) => subject.key)).toEqual(['table public.events']);
});
