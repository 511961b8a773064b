import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { invalidIndex } from './invalid-index.ts';

test('what a failed build left behind is found and built again', async () => {
  await using database = await createTestDatabase('CREATE TABLE codes (code text); INSERT INTO codes VALUES (1), (1), (2);');
  await expect(database.client.query('CREATE UNIQUE INDEX CONCURRENTLY codes_code ON codes (code)')).rejects.toThrow(
    'could not create unique index',
  );
  const { findings } = await judge(invalidIndex, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'index', name: 'public.codes_code' } }]);
  await database.client.query("DELETE FROM codes WHERE ctid = '(0,1)'");
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(invalidIndex, database.url)).reasons).toEqual(['1 index looked at: all valid, or being built']);
});

test('a left-over of REINDEX is only dropped', async () => {
  await using database = await createTestDatabase(
    'CREATE TABLE codes (code text); INSERT INTO codes VALUES (1), (1); CREATE INDEX codes_code_ccnew1 ON codes (code);',
  );
  await database.client.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'codes_code_ccnew1'::regclass");
  const { findings } = await judge(invalidIndex, database.url);
  expect(findings[0]!.proposal.code).toBe('DROP INDEX CONCURRENTLY public.codes_code_ccnew1;');
});

test('an index over partitions that lacks parts is told how to become whole', async () => {
  await using database = await createTestDatabase(`CREATE TABLE events (at date) PARTITION BY RANGE (at);
    CREATE TABLE events_a PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); CREATE INDEX events_at ON ONLY events (at);`);
  const { findings } = await judge(invalidIndex, database.url);
  expect(findings).toMatchObject([{ subject: { name: 'public.events_at' }, proposal: { code: null } }]);
  expect(findings[0]!.message).toContain('some partitions of events lack their part');
});
