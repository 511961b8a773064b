import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge } from '../fixtures/judged-health.ts';
import { temporaryFiles } from './temporary-files.ts';

test('much that spills is told with its amount, none is silent', async () => {
  await using database = await createTestDatabase(
    'CREATE TABLE songs (title text); INSERT INTO songs SELECT md5(g::text) FROM generate_series(1, 40000) g;',
  );
  await flushCounters(database.client);
  expect((await judge(temporaryFiles, database.url)).reasons).toEqual(['0 % of page accesses were temporary ones']);
  await database.client.query("SET work_mem = '256kB'");
  for (let call = 0; call < 10; call += 1) await database.client.query('SELECT title FROM songs ORDER BY title OFFSET 39999');
  await flushCounters(database.client);
  const { findings } = await judge(temporaryFiles, database.url);
  expect(findings).toMatchObject([{ level: 'note', subject: { name: 'work_mem' } }]);
  expect(findings[0]!.message).toMatch(/^10 temporary files took \d/);
});
