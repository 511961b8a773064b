import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { longQuery } from './long-query.ts';
import { minuteMs } from './session-words.ts';

const later =
  (ms: number) =>
  ({ 'postgres.sessions': sessions }: Observations): Partial<Observations> => ({
    'postgres.sessions': sessions.map((session) => ({ ...session, statementMs: (session.statementMs ?? 0) + ms })),
  });

test('a statement that runs is found after a minute, without its constants, and cancelled by the fix', async () => {
  await using database = await createTestDatabase();
  await using other = await createTestDatabase();
  const running = database.client.query("SELECT pg_sleep(50), 'secret'").catch((error: unknown) => String(error));
  const started = async () =>
    (await other.client.query('SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event = $2', [database.name, 'PgSleep'])).rowCount;
  await expect.poll(started, { interval: 10 }).toBe(1);
  const found = [
    await judge(longQuery, database.url),
    await judge(longQuery, database.url, later(minuteMs)),
    await judge(longQuery, database.url, later(15 * minuteMs)),
  ];
  expect(found.map(({ findings }) => findings.map(({ level }) => level))).toEqual([[], ['note'], ['warning']]);
  expect(found[0]!.reasons).toEqual(['1 statement running, none for a minute']);
  expect(JSON.stringify(found)).not.toContain('secret');
  await paste(other.client, found[1]!.findings[0]!.proposal.code);
  expect(await running).toContain('canceling statement due to user request');
});

test('a session that has finished its statement long ago does not run one', async () => {
  await using database = await createTestDatabase();
  await database.client.query('SELECT 1');
  expect((await judge(longQuery, database.url, later(15 * minuteMs))).findings).toEqual([]);
});
