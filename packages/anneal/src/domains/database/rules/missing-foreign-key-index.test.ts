import { expect, test } from 'vitest';
import { diagnosing } from '../fixtures/observed-database.ts';
import { invoicing, sensing } from '../fixtures/schemas.ts';
import { missingForeignKeyIndex } from './missing-foreign-key-index.ts';
import { missingIndex } from './missing-index.ts';

const said = diagnosing(missingForeignKeyIndex, missingIndex);
const invoicesOf = { text: 'SELECT id, code FROM invoices WHERE tenant_id = $1 ORDER BY issued_at', values: [[17]], rows: 60 };

test('a declared reference without an index is found with its line, its figures and the index to make', async () => {
  const { outcomes } = await said(invoicing, invoicesOf);
  const [finding] = outcomes;
  expect(finding).toMatchObject({
    level: 'error',
    message: expect.stringContaining(
      'invoices.tenant_id refers to tenants and has no index: each call reads 30,000 rows of invoices for 60',
    ),
    subject: { kind: 'statement', tables: ['public.invoices'], columns: ['tenant_id'] },
    locations: [{ file: 'src/store.ts', line: 7 }],
    impact: { resource: 'database-time' },
    proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (tenant_id);' },
  });
  const evidence = 'evidence' in finding! ? finding.evidence : [];
  expect(evidence.find(({ label }) => label === 'rows of invoices')).toMatchObject({ value: 30_000, provenance: 'measured' });
  expect(evidence.every(({ source, provenance }) => source !== '' && provenance.length > 0)).toBe(true);
});

test('a column that is a reference by its name only counts as one', async () => {
  const { found } = await said(invoicing, { text: 'SELECT id FROM invoices WHERE contact_id = $1', values: [[8]] });
  expect(found).toEqual(['database/missing-foreign-key-index']);
});

test('a join and a correlated subquery that read the whole table for few partners are found too', async () => {
  const join = {
    text: 'SELECT i.code FROM tenants t JOIN invoices i ON i.tenant_id = t.id WHERE t.email = $1',
    values: [['Person9@example.org']],
  };
  const perRow = {
    text: 'SELECT t.id, (SELECT count(*) FROM invoices i WHERE i.tenant_id = t.id) AS n FROM tenants t WHERE t.id BETWEEN $1 AND $2',
    values: [[5, 15]],
  };
  for (const traffic of [join, perRow]) expect((await said(invoicing, traffic)).found).toEqual(['database/missing-foreign-key-index']);
});

test('it is silent once the index exists, and says through which one the table is read', async () => {
  const { found, silent } = await said(`${invoicing} CREATE INDEX invoices_tenant_idx ON invoices (tenant_id);`, invoicesOf);
  expect(found).toEqual([]);
  expect(silent['database/missing-foreign-key-index']).toBe('invoices is read through the index invoices_tenant_idx');
});

test('it is silent about a table of a few pages', async () => {
  const few = `CREATE TABLE labels (id int PRIMARY KEY, parent_id int REFERENCES labels); INSERT INTO labels SELECT g, 1 FROM generate_series(1, 400) g; ANALYZE;`;
  const { found, silent } = await said(few, { text: 'SELECT id FROM labels WHERE parent_id = $1', values: [[3]] });
  expect(found).toEqual([]);
  expect(silent['database/missing-foreign-key-index']).toBe(
    'labels has 2 page(s) and 400 rows: reading them all costs no more than an index look-up',
  );
});

test('it is silent where the reference keeps too many rows', async () => {
  const { found, silent } = await said(sensing, { text: 'SELECT body FROM reports WHERE sensor_id <= $1', values: [[35]] });
  expect(found).toEqual([]);
  expect(silent['database/missing-foreign-key-index']).toMatch(/would cost more than half of the scan/);
});

test('two calls in a window prove no rate, however long they took', async () => {
  const busy = { text: 'SELECT code FROM invoices WHERE id = $1', values: [[1]], calls: 5_000, meanMs: 1 };
  const { found, silent } = await said(invoicing, busy, { ...invoicesOf, calls: 2, meanMs: 100 });
  expect(found).toEqual([]);
  expect(silent['database/missing-foreign-key-index']).toMatch(/over 2 call\(s\): .* is certain, below the 1 % asked for/);
});
