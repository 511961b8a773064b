import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';

test('the embedded server has what Anneal reads: statement statistics, plan logging and trigrams', async () => {
  await using database = await createTestDatabase('CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_trgm');
  const { rows } = await database.client.query<{ preloaded: string }>(`SELECT current_setting('shared_preload_libraries') AS preloaded`);
  expect(rows[0]?.preloaded).toBe('pg_stat_statements,auto_explain');
});
