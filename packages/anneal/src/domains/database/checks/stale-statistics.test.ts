import { expect, test } from 'vitest';
import { createIdleDatabase, createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { staleStatistics } from './stale-statistics.ts';

const shipments = `CREATE TABLE shipments (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = false);
  INSERT INTO shipments SELECT g, repeat('x', 60) FROM generate_series(1, 5000) g;`;

test('a table that was never analysed is found, until it is', async () => {
  await using database = await createTestDatabase(shipments);
  await flushCounters(database.client);
  const { findings } = await judge(staleStatistics, database.url);
  expect(findings).toMatchObject([
    {
      level: 'warning',
      subject: { kind: 'object', type: 'table', name: 'public.shipments' },
      proposal: { code: 'ANALYZE public.shipments;' },
    },
  ]);
  expect(findings[0]!.message).toContain('has no statistics');
  await paste(database.client, findings[0]!.proposal.code);
  expect(await judge(staleStatistics, database.url)).toEqual({ findings: [], reasons: [expect.stringContaining('1 table looked at')] });
});

test('statistics are out of date from twice the threshold of autovacuum on', async () => {
  await using database = await createTestDatabase(shipments);
  // Otherwise the insert is counted after the ANALYZE that has seen it already.
  await flushCounters(database.client);
  await database.client.query('ANALYZE shipments');
  // The threshold for 5,000 rows is 50 + 500.
  await database.client.query("UPDATE shipments SET note = 'y' WHERE id <= 1100");
  await flushCounters(database.client);
  expect((await judge(staleStatistics, database.url)).findings).toEqual([]);
  await database.client.query("UPDATE shipments SET note = 'z' WHERE id = 1");
  await flushCounters(database.client);
  const { findings } = await judge(staleStatistics, database.url);
  expect(findings[0]!.message).toContain('1,101 rows of public.shipments changed since its last ANALYZE');
  expect(findings[0]!.impact.share).toBeCloseTo(1101 / 5000);
});

test('of a copy, whose counters have only just begun, nothing is known yet', async () => {
  await using original = await createIdleDatabase(`${shipments} ANALYZE shipments;`);
  await using copy = await createIdleDatabase('', original.name);
  await copy.query("UPDATE shipments SET note = 'y'");
  expect((await judge(staleStatistics, copy.url)).findings).toEqual([]);
});

test('a table that was analysed within the nap of autovacuum is left to it', async () => {
  await using database = await createTestDatabase(shipments.replace('autovacuum_enabled = false', 'fillfactor = 90'));
  await flushCounters(database.client);
  await database.client.query('ANALYZE shipments');
  await database.client.query("UPDATE shipments SET note = 'y'");
  await flushCounters(database.client);
  expect((await judge(staleStatistics, database.url)).findings).toEqual([]);
});

test('a table of ten pages needs no statistics, and one with a threshold of its own is held to that', async () => {
  await using database =
    await createTestDatabase(`CREATE TABLE countries (code int PRIMARY KEY); INSERT INTO countries SELECT generate_series(1, 40);
    CREATE TABLE readings (id int) WITH (autovacuum_enabled = false, autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 10);
    INSERT INTO readings SELECT generate_series(1, 4000); ANALYZE readings; INSERT INTO readings SELECT generate_series(1, 20000);`);
  await flushCounters(database.client);
  expect((await judge(staleStatistics, database.url)).findings).toEqual([]);
});

test('a role that may not see statistics is not told that there are none', async () => {
  await using database = await createTestDatabase(`${shipments} ANALYZE shipments;`);
  const role = `${database.name}_stranger`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  try {
    const url = Object.assign(new URL(database.url), { username: role, password: 'x' });
    expect((await judge(staleStatistics, url.href)).findings).toEqual([]);
  } finally {
    await database.client.query(`DROP ROLE ${role}`);
  }
});
