import { expect, test } from 'vitest';
import { serverVersion } from '../../../../../../test/support/test-database.ts';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { invoicing, sensing } from '../fixtures/schemas.ts';
import { missingExpressionIndex } from './missing-expression-index.ts';
import { missingIndex } from './missing-index.ts';

const byEmail: Traffic = { text: 'SELECT id FROM tenants WHERE lower(email) = lower($1)', values: [['PERSON7@example.org']] };

const said = diagnosing(missingExpressionIndex, missingIndex);

test('an index on the plain column does not serve lower(email), and the finding says so', async () => {
  const { found, outcomes } = await said(invoicing, byEmail);
  expect(found).toEqual(['database/missing-expression-index']);
  expect(outcomes[0]).toMatchObject({
    message: expect.stringContaining('no index serves lower(email) of tenants'),
    proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.tenants (lower(email));' },
  });
});

test('a key taken out of a document is an expression too', async () => {
  const { outcomes } = await said(sensing, { text: `SELECT id FROM reports WHERE body ->> 'kind' = $1`, values: [['k7']] });
  expect(outcomes[0]).toMatchObject({ proposal: { code: `CREATE INDEX CONCURRENTLY ON public.reports ((body ->> 'kind'));` } });
});

test('it is silent once an index holds the expression', async () => {
  const { found, silent } = await said(`${invoicing} CREATE INDEX ON tenants (lower(email)); ANALYZE tenants;`, byEmail);
  expect(found).toEqual([]);
  expect(silent['database/missing-expression-index']).toMatch(/is read through the index/);
});

// Statistics of an expression came with version 14.
test.skipIf(serverVersion < 140_000)('an expression that keeps half of the table needs no index', async () => {
  const { found } = await said(`${invoicing} CREATE STATISTICS plans ON upper(plan) FROM tenants; ANALYZE tenants;`, {
    text: 'SELECT id FROM tenants WHERE upper(plan) = $1',
    values: [['FREE']],
  });
  expect(found).toEqual([]);
});
