import { expect, test } from 'vitest';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { sensing } from '../fixtures/schemas.ts';
import { unindexedJsonContainment } from './unindexed-json-containment.ts';

const byKind: Traffic = { text: 'SELECT id FROM reports WHERE body @> $1::jsonb', values: [['{"kind":"k7"}']] };

const said = diagnosing(unindexedJsonContainment);

test('containment in documents and in arrays is found, each with the inverted index it needs', async () => {
  const documents = await said(sensing, byKind);
  expect(documents.outcomes[0]).toMatchObject({
    proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.reports USING gin (body jsonb_path_ops);' },
  });
  const arrays = await said(sensing, { text: 'SELECT id FROM reports WHERE labels @> $1', values: [[['l5']]] });
  expect(arrays.outcomes[0]).toMatchObject({ proposal: { code: 'CREATE INDEX CONCURRENTLY ON public.reports USING gin (labels);' } });
});

test('it is silent once an inverted index exists', async () => {
  const { found, silent } = await said(`${sensing} CREATE INDEX ON reports USING gin (body); ANALYZE reports;`, byKind);
  expect(found).toEqual([]);
  expect(silent['database/unindexed-json-containment']).toMatch(/is read through the index/);
});

test('a search that hardly ever runs does not pay for an index that every insert must keep up', async () => {
  const insert: Traffic = { text: 'INSERT INTO reports VALUES ($1, 1, $2, $3, now())', calls: 50_000, meanMs: 0.5 };
  const { found, silent } = await said(sensing, { ...byKind, calls: 60, meanMs: 8 }, insert);
  expect(found).toEqual([]);
  expect(silent['database/unindexed-json-containment']).toMatch(/would cost its writes|below the 1 %/);
});
