import { expect, test } from 'vitest';
import { createTestDatabase, serverVersion } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { vacuumBehind } from './vacuum-behind.ts';

type Client = Parameters<typeof paste>[0];

/** A table of `rows` rows, vacuumed, in which `change` then leaves dead ones. */
async function leaveDead(client: Client, name: string, rows: number, change: string, options = ''): Promise<void> {
  await client.query(`CREATE TABLE ${name} (id int, total int) WITH (autovacuum_enabled = false${options})`);
  await client.query(`INSERT INTO ${name} SELECT g, 0 FROM generate_series(1, ${rows}) g`);
  // Otherwise the insert is counted after the vacuum that has seen it already.
  await flushCounters(client);
  await client.query(`VACUUM ANALYZE ${name}`);
  await client.query(change);
  await flushCounters(client);
}

test('dead rows beyond twice the threshold are found, and gone once vacuumed', async () => {
  await using database = await createTestDatabase();
  await leaveDead(database.client, 'carts', 4000, 'UPDATE carts SET total = 1 WHERE id <= 2500');
  // 50 + 0.2 × 4,000 = 850.
  const { findings } = await judge(vacuumBehind, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { name: 'public.carts' } }]);
  expect(findings[0]!.message).toContain('2,500 dead rows beside 4,000 live ones, 2.94 times what autovacuum waits for');
  await paste(database.client, findings[0]!.proposal.code);
  await flushCounters(database.client);
  expect(await judge(vacuumBehind, database.url)).toEqual({ findings: [], reasons: [expect.stringContaining('1 table looked at')] });
  await paste(database.client, findings[0]!.proposal.undo);
});

test('a table that is mostly dead is an error, one within its threshold is none', async () => {
  await using database = await createTestDatabase();
  await leaveDead(database.client, 'queue', 3000, 'DELETE FROM queue WHERE id <= 2000');
  await leaveDead(database.client, 'calm', 3000, 'DELETE FROM calm WHERE id <= 1200');
  const { findings } = await judge(vacuumBehind, database.url);
  expect(findings).toMatchObject([{ level: 'error', subject: { name: 'public.queue' } }]);
  expect(findings[0]!.impact.share).toBeCloseTo(2 / 3);
});

test.skipIf(serverVersion < 180_000)('from version 18 on the largest threshold holds', async () => {
  await using database = await createTestDatabase();
  await leaveDead(database.client, 'log', 3000, 'DELETE FROM log WHERE id <= 300', ', autovacuum_vacuum_max_threshold = 100');
  expect((await judge(vacuumBehind, database.url)).findings).toHaveLength(1);
});

test('for a nap after its last vacuum a table is left to autovacuum', async () => {
  await using database = await createTestDatabase();
  await leaveDead(database.client, 'carts', 4000, 'UPDATE carts SET total = 1 WHERE id <= 2500');
  const vacuumed = (agoMs: number) =>
    judge(vacuumBehind, database.url, ({ 'postgres.table-health': tables, 'postgres.configuration': settings }) => ({
      'postgres.table-health': tables.map((row) => ({ ...row, options: {}, vacuumedAgoMs: agoMs })),
      // PostgreSQL's default; the tests' own server naps longer than they run.
      'postgres.configuration': { ...settings, autovacuum_naptime: { ...settings['autovacuum_naptime']!, value: 60_000 } },
    }));
  expect((await vacuumed(59_000)).findings).toEqual([]);
  expect((await vacuumed(60_000)).findings).toHaveLength(1);
});
