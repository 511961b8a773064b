import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { spilledSorts } from './spilled-sorts.ts';

const rows = `CREATE EXTENSION pg_stat_statements; CREATE TABLE songs (id int, title text); INSERT INTO songs SELECT g, md5(g::text) FROM generate_series(1, 40000) g; ANALYZE;`;

test('a sort that does not fit work_mem is found with what it would take', async () => {
  await using database = await createTestDatabase(rows);
  await database.client.query("SET work_mem = '256kB'");
  for (let call = 0; call < 5; call += 1) await database.client.query('SELECT title FROM songs ORDER BY title OFFSET 39999');
  const { findings } = await judge(spilledSorts, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'setting' } }]);
  expect(findings[0]!.subject.key).toContain('SELECT title FROM songs');
  expect(findings[0]!.evidence).toContainEqual(expect.objectContaining({ label: 'calls', value: 5 }));
  await paste(database.client, findings[0]!.proposal.code);
  await database.client.query('RESET work_mem');
  const wanted = /work_mem = '(\d+)MB'/.exec(findings[0]!.proposal.code!)![1]!;
  await database.client.query(`SET work_mem = '${wanted}MB'`);
  const { rows: plan } = await database.client.query('EXPLAIN (ANALYZE, FORMAT JSON) SELECT title FROM songs ORDER BY title');
  expect(JSON.stringify(plan)).toContain('"Sort Space Type":"Memory"');
  await paste(database.client, findings[0]!.proposal.undo);
});

test('a sort in memory is silent', async () => {
  await using database = await createTestDatabase(rows);
  await database.client.query("SET work_mem = '64MB'");
  await database.client.query('SELECT title FROM songs ORDER BY title OFFSET 39999');
  expect((await judge(spilledSorts, database.url)).reasons).toEqual([
    expect.stringMatching(/statements looked at, 0 spilled more than once/),
  ]);
});

test('what ran once, and what builds an index, says nothing about the workload', async () => {
  await using database = await createTestDatabase(rows);
  await database.client.query("SET work_mem = '256kB'; SET maintenance_work_mem = '1MB'; SET max_parallel_maintenance_workers = 0");
  await database.client.query('SELECT title FROM songs ORDER BY title OFFSET 39999');
  for (const name of ['one', 'other']) await database.client.query(`CREATE INDEX ${name} ON songs (title)`);
  expect((await judge(spilledSorts, database.url)).findings).toEqual([]);
});
