import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { longTransaction } from './long-transaction.ts';
import { minuteMs } from './session-words.ts';

/** As it was read, but begun so much earlier, and with a statement that began only now. */
const later =
  (transactionMs: number, statementMs: number) =>
  ({ 'postgres.sessions': sessions }: Observations): Partial<Observations> => ({
    'postgres.sessions': sessions.map((session) => ({ ...session, state: 'active', transactionMs, statementMs })),
  });

test('a transaction of many statements is found after a quarter of an hour', async () => {
  await using database = await createTestDatabase();
  await database.client.query('BEGIN; SELECT 1');
  const { findings } = await judge(longTransaction, database.url, later(15 * minuteMs, 10));
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'session' } }]);
  expect(findings[0]!.message).toContain('open for 900 s');
  expect((await judge(longTransaction, database.url, later(14 * minuteMs, 10))).findings).toEqual([]);
});

test('one long statement, and one idle in between, are other findings', async () => {
  await using database = await createTestDatabase();
  await database.client.query('BEGIN; SELECT 1');
  expect((await judge(longTransaction, database.url, later(15 * minuteMs, 15 * minuteMs))).findings).toEqual([]);
  expect((await judge(longTransaction, database.url)).reasons).toEqual([expect.stringContaining('0 open transactions')]);
});
