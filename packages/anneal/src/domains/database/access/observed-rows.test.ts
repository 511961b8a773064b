import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { diagnosing, observeDatabase } from '../fixtures/observed-database.ts';
import { invoicing, sensing } from '../fixtures/schemas.ts';
import { missingIndex } from '../rules/missing-index.ts';
import { unindexedJsonContainment } from '../rules/unindexed-json-containment.ts';
import { withObservedRows } from './observed-rows.ts';
import { scansIn } from './plan-scans.ts';

const brought = 7;

/** For each table that the statement's plan scans: whether the seven rows that a call brought are taken for the scan's. */
async function measuredTables(...texts: readonly string[]): Promise<readonly Readonly<Record<string, boolean>>[]> {
  await using database = await createTestDatabase(invoicing);
  const observed = await observeDatabase(
    database.url,
    texts.map((text) => ({ text, values: [[]], rows: brought })),
  );
  return observed['postgres.statements'].map((statement) => {
    const scans = withObservedRows(scansIn(observed['postgres.plans'][statement.id]!.root), statement);
    for (const scan of scans.filter(({ rowsMeasured }) => rowsMeasured)) expect(scan.rows).toBe(brought);
    return Object.fromEntries(scans.map(({ node, rowsMeasured }) => [node['Relation Name'], rowsMeasured]));
  });
}

test('rows of the answer are rows of the scan where nothing between them drops, joins or groups any', async () => {
  expect(
    await measuredTables(
      `SELECT id FROM invoices WHERE note LIKE '%ab%'`,
      `SELECT id FROM invoices WHERE note LIKE '%ab%' ORDER BY code`,
      `SELECT id, row_number() OVER (ORDER BY code) FROM invoices WHERE status = 'open'`,
      `SELECT id FROM (SELECT id, random() AS chance FROM invoices WHERE status = 'open' OFFSET 0) s`,
      `UPDATE invoices SET opened = 0 WHERE code = 'INV-1'`,
      `DELETE FROM invoices WHERE code = 'INV-2'`,
    ),
  ).toEqual(Array.from({ length: 6 }, () => ({ invoices: true })));
});

test('a limit, a group, a partner, a second source or a multiplied row hides what the scan found', async () => {
  expect(
    await measuredTables(
      `SELECT id FROM invoices WHERE note LIKE '%ab%' LIMIT 10`,
      `SELECT count(*) FROM invoices WHERE note LIKE '%ab%'`,
      `SELECT DISTINCT status FROM invoices WHERE note LIKE '%ab%'`,
      `SELECT contact_id FROM invoices WHERE note LIKE '%ab%' GROUP BY contact_id`,
      `SELECT generate_series(1, opened) FROM invoices WHERE note LIKE '%ab%'`,
      `SELECT id FROM (SELECT id, random() AS chance FROM invoices WHERE status = 'open' OFFSET 0) s WHERE chance > 0.9`,
      `SELECT id FROM invoices WHERE code = 'INV-1' UNION ALL SELECT id FROM invoices WHERE code = 'INV-2'`,
      `INSERT INTO invoices SELECT id + 50000, tenant_id, contact_id, code, status, note, issued_at FROM invoices WHERE code = 'INV-1'`,
    ),
  ).toEqual(Array.from({ length: 8 }, () => ({ invoices: false })));
  expect(await measuredTables(`SELECT i.id FROM invoices i JOIN tenants t ON t.id = i.tenant_id WHERE t.email LIKE 'Person1%'`)).toEqual([
    { invoices: false, tenants: false },
  ]);
});

test('a value that a subquery finds is no row of the answer', async () => {
  expect(await measuredTables(`SELECT id FROM invoices WHERE contact_id = (SELECT max(id) FROM tenants WHERE plan = 'free')`)).toEqual([
    { invoices: true, tenants: false },
  ]);
});

const said = diagnosing(unindexedJsonContainment, missingIndex);
const fewOfManyDocuments = 'SELECT id FROM reports WHERE body @> $1::jsonb';

test('few rows that came back are believed before the many that the planner expects', async () => {
  // `{}` is in every document, so the planner expects all of them of the one odd call.
  const values = [['{"kind":"k7"}'], ['{}']];
  const { found } = await said(sensing, { text: fewOfManyDocuments, values, rows: 30 });
  expect(found).toEqual(['database/unindexed-json-containment']);
});

test('many rows that came back are believed before the few that the planner expects', async () => {
  const { found, silent } = await said(sensing, { text: fewOfManyDocuments, rows: 20_000 });
  expect(found).toEqual([]);
  expect(silent['database/unindexed-json-containment']).toMatch(/keep 20000 of 30000 rows/);
});

test('what is believed is said, with where it comes from', async () => {
  const { outcomes } = await said(sensing, { text: fewOfManyDocuments, rows: 30 });
  expect(outcomes[0]).toMatchObject({
    evidence: expect.arrayContaining([
      { label: 'rows kept per call', value: 30, unit: '1', provenance: 'measured', source: 'pg_stat_statements' },
    ]),
  });
  const counted = await said(sensing, { text: 'SELECT count(*) FROM reports WHERE body @> $1::jsonb', values: [['{"kind":"k7"}']] });
  expect(counted.outcomes[0]).toMatchObject({
    evidence: expect.arrayContaining([expect.objectContaining({ label: 'rows kept per call', provenance: 'predicted' })]),
  });
});
