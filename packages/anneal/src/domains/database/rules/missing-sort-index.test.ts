import { expect, test } from 'vitest';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { invoicing } from '../fixtures/schemas.ts';
import { deepOffset } from './deep-offset.ts';
import { missingForeignKeyIndex } from './missing-foreign-key-index.ts';
import { missingIndex } from './missing-index.ts';
import { missingSortIndex } from './missing-sort-index.ts';

const latest: Traffic = {
  text: 'SELECT id, code FROM invoices WHERE tenant_id = $1 ORDER BY issued_at DESC LIMIT 5',
  values: [[17]],
  rows: 5,
};

const said = diagnosing(missingSortIndex, missingForeignKeyIndex, missingIndex, deepOffset);

test('a page that sorts all that match is found, with and without an index on the condition alone', async () => {
  const setups = [
    [invoicing, '30,000'],
    [`${invoicing} CREATE INDEX ON invoices (tenant_id); ANALYZE;`, '60'],
  ] as const;
  for (const [setup, read] of setups) {
    const { found, outcomes } = await said(setup, latest);
    expect(found).toEqual(['database/missing-sort-index']);
    expect(outcomes[0]).toMatchObject({
      message: expect.stringContaining(`each call reads ${read} rows of invoices for 5,`),
      subject: { columns: ['tenant_id', 'issued_at'] },
      proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (tenant_id, issued_at DESC);' },
    });
  }
});

test('an index that gives the order but not the condition is found by what it throws away', async () => {
  const { found, outcomes } = await said(`${invoicing} CREATE INDEX ON invoices (issued_at); ANALYZE;`, latest);
  expect(found).toEqual(['database/missing-sort-index']);
  expect(outcomes[0]).toMatchObject({
    message: expect.stringContaining('most of what it delivers is thrown away: each call reads 2,500 rows of invoices for 5'),
  });
});

test('a page without a condition needs an index in its order', async () => {
  const { outcomes } = await said(invoicing, { text: 'SELECT id FROM invoices ORDER BY issued_at DESC, id DESC LIMIT $1', values: [[20]] });
  expect(outcomes[0]).toMatchObject({ proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (issued_at DESC, id DESC);' } });
});

test('it is silent once the index gives condition and order', async () => {
  const { found, silent } = await said(`${invoicing} CREATE INDEX ON invoices (tenant_id, issued_at DESC); ANALYZE;`, latest);
  expect(found).toEqual([]);
  expect(silent['database/missing-sort-index']).toMatch(/come from an index in the order asked for/);
});

test('where one row is asked for and one matches, the missing condition index is the cause and not the sort', async () => {
  const { found, silent } = await said(invoicing, {
    text: 'SELECT id FROM invoices WHERE code = $1 ORDER BY id LIMIT 1',
    values: [['INV-9']],
  });
  expect(found).toEqual(['database/missing-index']);
  expect(silent['database/missing-sort-index']).toBeUndefined();
});

test('sorted groups are not rows of the table, so no index is asked for', async () => {
  const { found } = await said(invoicing, {
    text: 'SELECT tenant_id, count(*) FROM invoices GROUP BY tenant_id ORDER BY 2 DESC LIMIT 10',
    values: [[]],
  });
  expect(found).toEqual([]);
});
