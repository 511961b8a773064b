import pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { nodeClock } from '../../../adapters/node-clock.ts';
import { judge } from '../fixtures/judged-health.ts';
import { lockWait } from './lock-wait.ts';

const accounts = 'CREATE TABLE accounts (id int PRIMARY KEY, balance int); INSERT INTO accounts VALUES (1, 0), (2, 0);';

/** Sessions that begin `texts` one after the other, each waiting for what the one before has. */
async function whileWaiting<T>(url: string, texts: readonly string[], look: () => Promise<T>): Promise<T> {
  const clients = texts.map(() => new pg.Client({ connectionString: url, application_name: 'shop' }));
  const watcher = new pg.Client({ connectionString: url });
  const waiting = async () =>
    (await watcher.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount;
  try {
    await watcher.connect();
    for (const [at, client] of clients.entries()) {
      await client.connect();
      void client.query(texts[at]!).catch(() => {});
      await expect.poll(waiting, { interval: 10 }).toBe(at + 1);
    }
    await nodeClock.sleep(1_000);
    return await look();
  } finally {
    for (const client of [...clients, watcher]) void client.end().catch(() => {});
  }
}

test('sessions that queue for one row are one finding about the session that has it', async () => {
  await using database = await createTestDatabase(accounts);
  await database.client.query('BEGIN; UPDATE accounts SET balance = 7 WHERE id = 1');
  const update = 'UPDATE accounts SET balance = balance + 1 WHERE id = 1';
  const { findings } = await whileWaiting(database.url, [update, update, update], () => judge(lockWait, database.url));
  await database.client.query('ROLLBACK');
  expect(findings).toMatchObject([{ level: 'error', subject: { type: 'session' } }]);
  expect(findings[0]!.message).toContain('3 sessions wait for the same hot rows of public.accounts');
  const { rows } = await database.client.query('SELECT pg_backend_pid() AS pid');
  expect(findings[0]!.proposal.code).toBe(`SELECT pg_terminate_backend(${rows[0].pid});`);
});

test('a schema change that waits, and whoever waits behind it, have one root', async () => {
  await using database = await createTestDatabase(accounts);
  await database.client.query('BEGIN; SELECT * FROM accounts');
  const { findings } = await whileWaiting(database.url, ['ALTER TABLE accounts ADD COLUMN note text', 'SELECT 1 FROM accounts'], () =>
    judge(lockWait, database.url),
  );
  await database.client.query('ROLLBACK');
  expect(findings).toHaveLength(1);
  expect(findings[0]!.level).toBe('error');
  expect(findings[0]!.evidence).toContainEqual(
    expect.objectContaining({ label: 'modes waited for', value: expect.stringContaining('AccessExclusiveLock on relation') }),
  );
});

test('one that waits is a warning, and without waits there is nothing', async () => {
  await using database = await createTestDatabase(accounts);
  expect((await judge(lockWait, database.url)).reasons).toEqual([expect.stringContaining('none waits for a lock')]);
  await database.client.query('BEGIN; UPDATE accounts SET balance = 7 WHERE id = 2');
  const { findings } = await whileWaiting(database.url, ['DELETE FROM accounts WHERE id = 2'], () => judge(lockWait, database.url));
  await database.client.query('ROLLBACK');
  expect(findings).toMatchObject([{ level: 'warning' }]);
  expect(findings[0]!.message).toContain('1 session waits for a row');
});
