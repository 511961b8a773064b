import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge } from '../fixtures/judged-health.ts';
import { toastHeavyTable } from './toast-heavy-table.ts';

const papers = `CREATE EXTENSION pg_stat_statements; CREATE TABLE papers (id int PRIMARY KEY, title text, body text); ALTER TABLE papers ALTER body SET STORAGE EXTERNAL;
  INSERT INTO papers SELECT g, 'title', repeat(md5(g::text), 500) FROM generate_series(1, 300) g; ANALYZE;`;

test('large values that come with every row are a question, until columns are named', async () => {
  await using database = await createTestDatabase(papers);
  await database.client.query('SELECT id, title FROM papers');
  expect((await judge(toastHeavyTable, database.url)).reasons).toEqual([
    '1 table with four fifths out of line: none is read by a SELECT * of weight',
  ]);
  for (let call = 0; call < 20; call += 1) await database.client.query('SELECT * FROM papers');
  expect((await judge(toastHeavyTable, database.url)).findings).toMatchObject([{ level: 'note', subject: { name: 'public.papers' } }]);
});
