import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { tableBloat } from './table-bloat.ts';

/** A server with a cache of a megabyte, so that a tenth of it is soon wasted. */
const smallCache = ({ 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
  'postgres.configuration': { ...settings, shared_buffers: { ...settings['shared_buffers']!, value: 1024 ** 2 } },
});

const emptied = `CREATE TABLE archive (id int, body text) WITH (autovacuum_enabled = false);
INSERT INTO archive SELECT g, repeat('x', 200) FROM generate_series(1, 20000) g;
DELETE FROM archive WHERE id % 10 <> 0;
VACUUM ANALYZE archive;`;

test('a file that is mostly empty is found, and rewritten by the fix', async () => {
  await using database = await createTestDatabase();
  await paste(database.client, emptied);
  const { findings } = await judge(tableBloat, database.url, smallCache);
  expect(findings).toMatchObject([{ level: 'warning', subject: { name: 'public.archive' } }]);
  // Nine rows of ten are gone.
  expect(findings[0]!.impact.share).toBeCloseTo(0.9, 1);
  expect(findings[0]!.evidence).toContainEqual(expect.objectContaining({ label: 'pages needed', provenance: 'predicted' }));
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(tableBloat, database.url, smallCache)).findings).toEqual([]);
});

test('with pgstattuple the need is measured', async () => {
  await using database = await createTestDatabase('CREATE EXTENSION pgstattuple');
  await paste(database.client, emptied);
  const { findings } = await judge(tableBloat, database.url, smallCache);
  expect(findings[0]!.evidence).toContainEqual(
    expect.objectContaining({ label: 'pages needed', provenance: 'measured', source: 'pgstattuple_approx' }),
  );
  expect(findings[0]!.impact.share).toBeCloseTo(0.9, 1);
});

test('full pages are not called empty: with nulls, wide rows, many columns and a fill factor', async () => {
  await using database = await createTestDatabase();
  await paste(
    database.client,
    `CREATE TABLE sparse (id bigint, a text, b int, c text);
INSERT INTO sparse SELECT g, NULL, NULL, CASE WHEN g % 2 = 0 THEN 'x' END FROM generate_series(1, 20000) g;
CREATE TABLE wide (id int, a text);
INSERT INTO wide SELECT g, repeat(md5(g::text), 90) FROM generate_series(1, 800) g;
CREATE TABLE flags (${Array.from({ length: 30 }, (_, column) => `f${column} boolean, n${column} bigint`).join(', ')});
INSERT INTO flags SELECT FROM generate_series(1, 3000);
CREATE TABLE loose (id int) WITH (fillfactor = 50);
INSERT INTO loose SELECT generate_series(1, 30000);
VACUUM ANALYZE;`,
  );
  expect(await judge(tableBloat, database.url, smallCache)).toEqual({
    findings: [],
    reasons: [expect.stringContaining('4 tables with statistics looked at')],
  });
});

test('what is small beside the cache is not worth a rewrite', async () => {
  await using database = await createTestDatabase();
  await paste(database.client, emptied);
  expect((await judge(tableBloat, database.url)).findings).toEqual([]);
});
