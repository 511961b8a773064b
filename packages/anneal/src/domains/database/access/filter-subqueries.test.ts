import { expect, test } from 'vitest';
import { diagnosing } from '../fixtures/observed-database.ts';
import { invoicing } from '../fixtures/schemas.ts';
import { missingIndex } from '../rules/missing-index.ts';

const said = diagnosing(missingIndex);

test('what a subquery in the condition costs is not blamed on the scan that asks it', async () => {
  // Three in eight rows pass the range: ten thousand askings, beside which reading thirty thousand rows is nothing.
  const { found, silent } = await said(invoicing, {
    text: 'SELECT id FROM invoices i WHERE issued_at < $1 AND (SELECT count(*) FROM tenants t WHERE t.id < i.contact_id) > 5000',
    values: [['2026-01-08']],
  });
  expect(found).toEqual([]);
  expect(silent['database/missing-index']).toMatch(/scanning invoices is \d % of the plan's cost/);
});

test('the scan is blamed where its other conditions leave next to nothing to ask about', async () => {
  const { found } = await said(invoicing, {
    text: 'SELECT id FROM invoices i WHERE code = $1 AND (SELECT count(*) FROM tenants t WHERE t.id = i.contact_id) > 0',
    values: [['INV-4711']],
  });
  expect(found).toEqual(['database/missing-index']);
});
