import { expect, test } from 'vitest';
import { observeDatabase } from '../fixtures/observed-database.ts';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { invoicing } from '../fixtures/schemas.ts';
import { pageOf, scansIn } from './plan-scans.ts';

async function planOf(text: string, values: readonly unknown[]) {
  await using database = await createTestDatabase(`${invoicing} CREATE INDEX ON invoices (issued_at);`);
  const { 'postgres.plans': plans } = await observeDatabase(database.url, [{ text, values: [values] }]);
  return Object.values(plans)[0]!.root;
}

test('a correlated subquery is run once per row, so its scan carries the cost of all of them', async () => {
  const scans = scansIn(
    await planOf('SELECT id, (SELECT count(*) FROM invoices i WHERE i.contact_id = t.id) FROM tenants t WHERE t.id <= $1', [10]),
  );
  const invoices = scans.find(({ node }) => node['Relation Name'] === 'invoices')!;
  expect(invoices.executions).toBe(10);
  expect(invoices.costShare).toBeGreaterThan(0.95);
  expect(scans.find(({ node }) => node['Relation Name'] === 'tenants')!.costShare).toBeLessThan(0.05);
});

test('a scan below a LIMIT goes only as far as the limit lets it, one below a sort reads everything', async () => {
  const [stopping] = scansIn(await planOf('SELECT id FROM invoices WHERE status = $1 LIMIT 10', ['open']));
  expect(stopping!.consumedShare).toBeCloseTo(10 / stopping!.rows, 3);
  const [sorted] = scansIn(await planOf('SELECT id FROM invoices WHERE status = $1 ORDER BY code LIMIT 10', ['open']));
  expect(sorted!.consumedShare).toBe(1);
});

test('the rows an OFFSET skips are read off the plan, in order or sorted', async () => {
  const inOrder = pageOf(await planOf('SELECT id FROM invoices ORDER BY issued_at LIMIT 20 OFFSET $1', [3_000]));
  expect(inOrder).toMatchObject({ returnedRows: 20, sort: null });
  expect(inOrder!.skippedRows).toBeCloseTo(3_000, -1);
  const sorted = pageOf(await planOf('SELECT id FROM invoices ORDER BY code LIMIT 20 OFFSET $1', [3_000]));
  expect(sorted!.sort).toMatchObject({ 'Node Type': 'Sort' });
  expect(sorted!.skippedRows).toBeCloseTo(3_000, -2);
});
