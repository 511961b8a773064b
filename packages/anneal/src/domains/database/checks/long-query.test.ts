import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { longQuery } from './long-query.ts';
import { minuteMs } from './session-words.ts';

const later =
  (ms: number) =>
  ({ 'postgres.sessions': sessions }: Observations): Partial<Observations> => ({
    'postgres.sessions': sessions.map((session) => ({ ...session, statementMs: (session.statementMs ?? 0) + ms })),
  });

test('a statement that runs is found after a minute, without its constants, and is worse after a quarter of an hour', async () => {
  await using database = await createTestDatabase();
  const running = database.client.query("SELECT pg_sleep(2), 'secret'");
  const found = await Promise.all([
    judge(longQuery, database.url),
    judge(longQuery, database.url, later(minuteMs)),
    judge(longQuery, database.url, later(15 * minuteMs)),
  ]);
  await running;
  expect(found.map(({ findings }) => findings.map(({ level }) => level))).toEqual([[], ['note'], ['warning']]);
  expect(found[0].reasons).toEqual(['1 statement running, none for a minute']);
  expect(JSON.stringify(found)).not.toContain('secret');
  expect(found[1].findings[0]!.proposal.code).toMatch(/^SELECT pg_cancel_backend\(\d+\);/);
});

test('a session that has finished its statement long ago does not run one', async () => {
  await using database = await createTestDatabase();
  await database.client.query('SELECT 1');
  expect((await judge(longQuery, database.url, later(15 * minuteMs))).findings).toEqual([]);
});
