import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge } from '../fixtures/judged-health.ts';
import { connectionsNearLimit } from './connections-near-limit.ts';

test.each([
  [157, []],
  [158, ['warning']],
  [188, ['error']],
])('%i connections of 200, three of them reserved', async (sessions, levels) => {
  await using database = await createTestDatabase();
  const { findings } = await judge(connectionsNearLimit, database.url, ({ 'postgres.activity': activity }) => ({
    'postgres.activity': { ...activity, sessions },
  }));
  expect(findings.map(({ level }) => level)).toEqual(levels);
});

test('connections are counted over all databases', async () => {
  await using database = await createTestDatabase();
  expect((await judge(connectionsNearLimit, database.url)).reasons).toEqual([expect.stringMatching(/^\d+ of 197 connections are open$/)]);
});
