import { expect, test } from 'vitest';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { invoicing } from '../fixtures/schemas.ts';
import { missingIndex } from './missing-index.ts';
import { missingSortIndex } from './missing-sort-index.ts';
import { unindexedTextSearch } from './unindexed-text-search.ts';

const search: Traffic = { text: 'SELECT id FROM invoices WHERE note ILIKE $1', values: [['%c0ffee%']] };

const said = diagnosing(unindexedTextSearch, missingIndex, missingSortIndex);

test.each([
  ['SELECT id FROM invoices WHERE note ILIKE $1', '%c0ffee%'],
  ['SELECT id FROM invoices WHERE note LIKE $1', '%c0ffee%'],
  ['SELECT id FROM invoices WHERE note ~ $1', 'c0ff[ef]e'],
  ['SELECT id FROM invoices WHERE note ILIKE $1 ORDER BY issued_at DESC LIMIT 30', '%c0ffee%'],
])('a pattern that may match anywhere is found: %s', async (text, pattern) => {
  const { found, outcomes } = await said(invoicing, { text, values: [[pattern]] });
  expect(found).toEqual(['database/unindexed-text-search']);
  expect(outcomes[0]).toMatchObject({
    proposal: { code: expect.stringContaining('CREATE INDEX CONCURRENTLY ON public.invoices USING gin (note gin_trgm_ops);') },
  });
  expect(JSON.stringify(outcomes)).not.toMatch(/c0ff/);
});

test('it is silent once a trigram index exists', async () => {
  const { found, silent } = await said(
    `CREATE EXTENSION pg_trgm; ${invoicing} CREATE INDEX ON invoices USING gin (note gin_trgm_ops);`,
    search,
  );
  expect(found).toEqual([]);
  expect(silent['database/unindexed-text-search']).toMatch(/is read through the index/);
});

test('a pattern with a literal beginning is no search', async () => {
  const { found } = await said(invoicing, { text: 'SELECT id FROM invoices WHERE note LIKE $1', values: [['c0ffe%']] });
  expect(found).toEqual(['database/missing-index']);
});

test('a pattern that most rows match would not be narrowed by an index', async () => {
  const { found, silent } = await said(invoicing, { text: 'SELECT id FROM invoices WHERE note LIKE $1', values: [['%work%']] });
  expect(found).toEqual([]);
  expect(silent['database/unindexed-text-search']).toMatch(/would cost more than half/);
});
