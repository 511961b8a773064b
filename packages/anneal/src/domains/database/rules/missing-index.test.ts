import { expect, test } from 'vitest';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { invoicing } from '../fixtures/schemas.ts';
import { missingForeignKeyIndex } from './missing-foreign-key-index.ts';
import { missingIndex } from './missing-index.ts';

const byCode: Traffic = { text: 'SELECT id FROM invoices WHERE code = $1', values: [['INV-77']] };

const said = diagnosing(missingIndex, missingForeignKeyIndex);

test('a selective equality without an index is found, in reads and in writes', async () => {
  for (const text of [
    'SELECT id FROM invoices WHERE code = $1',
    'UPDATE invoices SET opened = 1 WHERE code = $1',
    'DELETE FROM invoices WHERE code = $1',
  ]) {
    const { found, outcomes } = await said(invoicing, { text, values: [['INV-77']] });
    expect(found).toEqual(['database/missing-index']);
    expect(outcomes[0]).toMatchObject({ proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (code);' } });
  }
});

test('a short range and an anchored pattern are conditions an index can serve', async () => {
  const range = await said(invoicing, { text: 'SELECT id FROM invoices WHERE issued_at >= $1', values: [['2026-01-21 19:00:00+00']] });
  expect(range.found).toEqual(['database/missing-index']);
  const prefix = await said(invoicing, { text: 'SELECT id FROM invoices WHERE code LIKE $1', values: [['INV-2999%']] });
  expect(prefix.found).toEqual(['database/missing-index']);
  expect(prefix.outcomes[0]).toMatchObject({ proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (code text_pattern_ops);' } });
});

test('the arms of an OR are told to need one index each', async () => {
  const { found, outcomes } = await said(invoicing, {
    text: 'SELECT id FROM invoices WHERE code = $1 OR contact_id = $2',
    values: [['INV-5', 9]],
  });
  expect(found).toEqual(['database/missing-index']);
  expect(outcomes[0]).toMatchObject({
    subject: { columns: ['code', 'contact_id'] },
    proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.invoices (code);\nCREATE INDEX CONCURRENTLY ON public.invoices (contact_id);' },
  });
});

test('a condition that keeps a third of the table is no reason for an index', async () => {
  const { found, silent } = await said(invoicing, { text: 'SELECT id FROM invoices WHERE status = $1', values: [['open']] });
  expect(found).toEqual([]);
  expect(silent['database/missing-index']).toMatch(/keep 1\d{4} of 30000 rows of invoices/);
});

test('it is silent once the index exists', async () => {
  const { found, silent } = await said(`${invoicing} CREATE INDEX ON invoices (code);`, byCode);
  expect(found).toEqual([]);
  expect(silent['database/missing-index']).toMatch(/is read through the index/);
});

test('an index that helps one read and costs the writes more is a question for a trial, then hopeless', async () => {
  // 1,000 reads of 2 ms against updates of the very column the index would hold.
  const read: Traffic = { text: 'SELECT id FROM invoices WHERE opened = $1', values: [[9]], calls: 1_000, meanMs: 2 };
  const write = (calls: number): Traffic => ({
    text: 'UPDATE invoices SET opened = opened + 1 WHERE id = $1',
    values: [[1]],
    calls,
    meanMs: 0.2,
  });
  const counters = `${invoicing} UPDATE invoices SET opened = id; ANALYZE invoices;`;
  const cheap = await said(counters, read, write(500));
  expect(cheap.outcomes[0]).toMatchObject({ level: 'error' });
  const open = await said(counters, read, write(20_000));
  expect(open.outcomes[0]).toMatchObject({ level: 'note', message: expect.stringContaining('only a trial can decide') });
  const hopeless = await said(counters, read, write(400_000));
  expect(hopeless.found).toEqual([]);
  expect(hopeless.silent['database/missing-index']).toMatch(/would cost its writes .* in the window and save/);
});
