import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { unloggedTable } from './unlogged-table.ts';

test('rows in an unlogged table are a question, an empty one is not', async () => {
  await using database = await createTestDatabase(
    'CREATE UNLOGGED TABLE sessions (id int); CREATE UNLOGGED TABLE staging (id int); CREATE TABLE kept (id int); INSERT INTO sessions VALUES (1); INSERT INTO kept VALUES (1);',
  );
  await flushCounters(database.client);
  const { findings } = await judge(unloggedTable, database.url);
  expect(findings).toMatchObject([{ level: 'note', subject: { name: 'public.sessions' } }]);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(unloggedTable, database.url)).reasons).toEqual(['1 unlogged table, none with rows']);
  await paste(database.client, findings[0]!.proposal.undo);
});
