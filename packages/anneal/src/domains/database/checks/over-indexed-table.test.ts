import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { afterDays, flushCounters, judge } from '../fixtures/judged-health.ts';
import { overIndexedTable } from './over-indexed-table.ts';

const log = `CREATE TABLE calls (id int PRIMARY KEY, number int, cell int); CREATE INDEX calls_number ON calls (number); CREATE INDEX calls_cell ON calls (cell);
  INSERT INTO calls SELECT g, g, g % 100 FROM generate_series(1, 20000) g; ANALYZE; SET enable_seqscan = off; SET enable_bitmapscan = off;`;

test('an index that is written far more than its scans can save is a question', async () => {
  await using database = await createTestDatabase(log);
  await database.client.query('SELECT FROM calls WHERE cell = 7 LIMIT 1');
  for (let number = 0; number < 1000; number += 1) await database.client.query('SELECT FROM calls WHERE number = $1', [number]);
  await flushCounters(database.client);
  const { findings } = await judge(overIndexedTable, database.url, afterDays(8));
  expect(findings).toMatchObject([
    { level: 'note', subject: { name: 'public.calls' }, proposal: { code: 'DROP INDEX CONCURRENTLY public.calls_cell;' } },
  ]);
  expect(findings[0]!.message).toContain('took 20,000 entries for 1 scan');
});

test('over less than a week nothing is said', async () => {
  await using database = await createTestDatabase(log);
  expect((await judge(overIndexedTable, database.url, afterDays(6))).reasons).toEqual([
    'writes and scans have been counted for 6 days, less than a week',
  ]);
});
