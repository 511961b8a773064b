import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { autovacuumOff } from './autovacuum-off.ts';

test('a table without autovacuum is found once it would be due, and no longer when it is back on', async () => {
  await using database = await createTestDatabase(
    `CREATE TABLE visits (id int) WITH (autovacuum_enabled = false); INSERT INTO visits SELECT generate_series(1, 10);`,
  );
  await flushCounters(database.client);
  expect((await judge(autovacuumOff, database.url)).reasons).toEqual([
    expect.stringContaining('1 table with autovacuum off, none of them due'),
  ]);
  await database.client.query('INSERT INTO visits SELECT generate_series(1, 500)');
  await flushCounters(database.client);
  const { findings } = await judge(autovacuumOff, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { name: 'public.visits' } }]);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(autovacuumOff, database.url)).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
});

test('a server without autovacuum, or without the counting it needs, is an error', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(autovacuumOff, database.url, ({ 'postgres.configuration': settings }) => ({
    'postgres.configuration': { ...settings, track_counts: { ...settings['track_counts']!, shown: 'off' } },
  }));
  expect(findings).toMatchObject([{ level: 'error', subject: { type: 'setting', name: 'track_counts' } }]);
});
