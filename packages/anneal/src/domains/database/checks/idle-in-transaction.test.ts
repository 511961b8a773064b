import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { idleInTransaction } from './idle-in-transaction.ts';
import { minuteMs } from './session-words.ts';

const later =
  (ms: number) =>
  ({ 'postgres.sessions': sessions }: Observations): Partial<Observations> => ({
    'postgres.sessions': sessions.map((session) => ({ ...session, stateMs: (session.stateMs ?? 0) + ms })),
  });

test('an open transaction of a session that does nothing is found after a minute', async () => {
  await using database = await createTestDatabase('CREATE TABLE stock (id int, left_over int); INSERT INTO stock VALUES (1, 5);');
  await database.client.query('BEGIN; UPDATE stock SET left_over = 4 WHERE id = 1');
  expect((await judge(idleInTransaction, database.url)).reasons).toEqual(['1 session of 1 idle in a transaction, none for a minute']);
  const { findings } = await judge(idleInTransaction, database.url, later(minuteMs));
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'session' } }]);
  expect(findings[0]!.evidence).toContainEqual(
    expect.objectContaining({ label: 'last statement', value: expect.stringContaining('left_over = $1') }),
  );
});

test('the fix ends it', async () => {
  await using database = await createTestDatabase();
  await using idle = await createTestDatabase();
  await idle.client.query('BEGIN; SELECT 1');
  idle.client.on('error', () => {});
  const { findings } = await judge(idleInTransaction, idle.url, later(minuteMs));
  await paste(database.client, findings[0]!.proposal.code);
  await expect(idle.client.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/i);
  await paste(database.client, findings[0]!.proposal.undo);
});
