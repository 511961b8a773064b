import { expect, test } from 'vitest';
import { warehouseOf } from '../../../../../../test/support/planner-agreement.ts';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createShadowPlanner } from '../../../adapters/shadow-planner.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { AnnealError } from '../../../errors.ts';
import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';
import type { Progress } from '../../../ports/progress.ts';
import { arrayElements } from '../index-size/sql-lists.ts';
import { parseSnapshot } from './snapshot-file.ts';
import { takeSnapshot } from './take-snapshot.ts';

async function snapshotOf(url: string, values: DatabaseSnapshot['values'] = 'kept'): Promise<DatabaseSnapshot> {
  await using sql = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: true });
  const progress: Progress = { stage() {}, update() {}, note() {} };
  return await takeSnapshot(sql, { values, sqlParser: await createSqlParser(), takenAt: '2026-01-01T00:00:00.000Z', progress });
}

async function databaseWith(sql: string): Promise<TestDatabase> {
  const database = await createTestDatabase(sql);
  await database.client.query('VACUUM ANALYZE');
  return database;
}

test('what was written to a file is read from it again, whole', async () => {
  await using database = await databaseWith(warehouseOf(0.1));
  const snapshot = await snapshotOf(database.url);
  expect(snapshot.tables.map(({ name, kind }) => [name, kind])).toEqual(
    expect.arrayContaining([
      ['orders', 'table'],
      ['readings', 'partitioned'],
      ['readings_2', 'partition'],
    ]),
  );
  expect(parseSnapshot(JSON.stringify(snapshot), 'a.json')).toEqual(snapshot);

  // Values of the rows, wherever statistics would have them.
  const ofRows = /user\d+@|SKU-\d|Product [0-9a-f]{4}|"?C\d{2,3}"?,|10\.0\.\d/u;
  expect(JSON.stringify(snapshot)).toMatch(ofRows);
  for (const values of ['hashed', 'left-out'] as const) {
    const coarse = await snapshotOf(database.url, values);
    expect(coarse.values).toBe(values);
    expect(JSON.stringify(coarse)).not.toMatch(ofRows);
    expect(parseSnapshot(JSON.stringify(coarse), 'a.json')).toEqual(coarse);
    // How often a value occurs is not the value.
    expect(columnOf(coarse, 'customers', 'country').mostCommonFrequencies).toEqual(
      columnOf(snapshot, 'customers', 'country').mostCommonFrequencies,
    );
  }
});

function columnOf(snapshot: DatabaseSnapshot, table: string, column: string) {
  return snapshot.tables.find(({ name }) => name === table)!.columns.find(({ name }) => name === column)!.statistics!;
}

test('tokens keep the order of the values, and equal values of two columns stay equal', async () => {
  await using database = await databaseWith(`
    CREATE TABLE parents (id int, code text); CREATE TABLE children (parent_id bigint, paid numeric(6,2), seen date, at timestamptz, letter char(1));
    INSERT INTO parents SELECT CASE WHEN n % 3 = 0 THEN 7 ELSE n END, 'code-' || n % 4 FROM generate_series(1, 900) n;
    INSERT INTO children SELECT CASE WHEN n % 4 = 0 THEN 7 ELSE n END, n, date '2020-01-01' + n, now() - n * interval '1 hour', chr(97 + n % 5) FROM generate_series(1, 900) n`);
  const [kept, hashed] = [await snapshotOf(database.url), await snapshotOf(database.url, 'hashed')];
  for (const [table, column, compare] of [
    ['parents', 'id', Number],
    ['children', 'parent_id', Number],
    ['children', 'paid', Number],
    ['children', 'seen', Date.parse],
    ['children', 'at', Date.parse],
  ] as const) {
    const tokens = arrayElements(columnOf(hashed, table, column).histogramBounds).map((token) => compare(token));
    expect(tokens, column).toHaveLength(arrayElements(columnOf(kept, table, column).histogramBounds).length);
    expect(tokens, column).toEqual(tokens.toSorted((one, other) => one - other));
    expect(new Set(tokens).size, column).toBeGreaterThan(50);
  }
  expect(columnOf(kept, 'parents', 'id').mostCommonValues).toBe('{7}');
  expect(columnOf(hashed, 'parents', 'id').mostCommonValues).toBe(columnOf(hashed, 'children', 'parent_id').mostCommonValues);
  expect(columnOf(hashed, 'parents', 'id').mostCommonValues).not.toBe('{7}');
  await using shadow = await createShadowPlanner(hashed);
  expect(shadow.gaps).toEqual([]);
});

test('the workload comes without literals, without utility statements and without our own', async () => {
  await using database = await databaseWith(`CREATE EXTENSION pg_stat_statements; CREATE TABLE notes (id int, written date, body text)`);
  await database.client.query(`SELECT body FROM notes WHERE written > date '2026-02-03' AND body = 'secret-1'`);
  await database.client.query(`COMMENT ON TABLE notes IS 'secret-2'`);
  await database.client.query(`INSERT INTO notes VALUES (1, current_date, 'secret-3')`);
  const { statements, gaps } = await snapshotOf(database.url);
  expect(gaps).toEqual([]);
  const texts = statements.map(({ text }) => text);
  expect(texts).toContain('SELECT body FROM notes WHERE written > CAST($1 AS date) AND body = $2');
  expect(texts.join('\n')).not.toMatch(/secret|COMMENT|anneal/u);
  expect(statements.find(({ text }) => text.startsWith('INSERT'))).toMatchObject({ calls: 1, rows: 1, samples: [] });
});

test('a role that may read nothing still gives a snapshot, which says what it lacks', async () => {
  await using database = await databaseWith(`
    CREATE TABLE hidden (id int PRIMARY KEY, name text); INSERT INTO hidden SELECT n, 'n' FROM generate_series(1, 500) n;
    CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE TABLE fresh (id int) WITH (autovacuum_enabled = off)`);
  await database.client.query('INSERT INTO fresh VALUES (1)');
  await database.client.query(`CREATE ROLE nobody_${database.name} LOGIN PASSWORD 'x'`);
  try {
    const url = new URL(database.url);
    [url.username, url.password] = [`nobody_${database.name}`, 'x'];
    const snapshot = await snapshotOf(url.href);
    expect(snapshot.tables.find(({ name }) => name === 'hidden')).toMatchObject({ rows: 500 });
    expect(snapshot.tables.flatMap(({ columns }) => columns).every(({ statistics }) => statistics === null)).toBe(true);
    expect(snapshot.gaps.join('\n')).toMatch(/the statistics of \d+ tables are hidden from this role/u);
    expect(snapshot.gaps.join('\n')).toMatch(/row-level security is on for 1 table:/u);
    expect(snapshot.gaps.join('\n')).toMatch(/no workload: the extension pg_stat_statements is not installed/u);
  } finally {
    await database.client.query(`DROP ROLE nobody_${database.name}`);
  }
});

test('hostile names, dropped columns and functions that read tables come through', async () => {
  await using database = await databaseWith(`
    CREATE SCHEMA "we""ird; --";
    CREATE TABLE "we""ird; --"."select" (gone int, "a ""b""" int, "ünï" text, c int);
    ALTER TABLE "we""ird; --"."select" DROP COLUMN gone;
    INSERT INTO "we""ird; --"."select" SELECT n % 10, 'x', n % 10 FROM generate_series(1, 2000) n;
    CREATE STATISTICS "st 1" (dependencies) ON "a ""b""", c FROM "we""ird; --"."select";
    CREATE INDEX "in dex" ON "we""ird; --"."select" ("a ""b""" DESC) WHERE "ünï" IS NOT NULL;
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE tenants (id int PRIMARY KEY, name text); INSERT INTO tenants VALUES (1, 'one');
    CREATE FUNCTION current_tenant() RETURNS int LANGUAGE sql STABLE AS 'SELECT id FROM tenants LIMIT 1';
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'`);
  await database.client.query('SELECT * FROM tenants WHERE id = current_tenant() AND id < twice(4)');
  const snapshot = await snapshotOf(database.url);
  expect(snapshot.gaps).toEqual([]);
  expect(snapshot.extendedStatistics[0]!.dependencies).toContain('"1 => 3": 1.0');
  const functions = snapshot.prerequisites.filter((sql) => sql.includes('FUNCTION'));
  expect(functions.find((sql) => sql.includes('twice'))).toContain('n * 2');
  expect(functions.find((sql) => sql.includes('current_tenant'))).not.toContain('FROM tenants');

  await using shadow = await createShadowPlanner(snapshot);
  expect(shadow.gaps).toEqual([]);
  const { plans, uses } = await shadow.whatIf(
    [
      { text: `SELECT * FROM "we""ird; --"."select" WHERE "a ""b""" = 3 AND c = 3`, values: [] },
      { text: 'SELECT * FROM tenants WHERE id = current_tenant() AND id < twice($1)', values: null },
    ],
    [{ schema: 'we"ird; --', table: 'select', keys: ['c', '"a ""b"""'], method: 'btree', include: ['ünï'], predicate: null }],
  );
  expect(uses).toEqual([[0], []]);
  // A tenth of the rows and not a hundredth: the two columns depend on each other.
  expect(plans[0]!.root['Plan Rows']).toBe(200);
  expect(plans[1]).not.toBeNull();
});

test.each([
  ['no JSON', 'it is not JSON'],
  ['{"formatVersion": 2}', 'it has format version 2, this Anneal reads 1'],
  ['[]', 'expected object'],
  ['{"formatVersion": 1, "takenAt": 5}', 'takenAt'],
])('a file with %s is refused with one error that says why', (content, problem) => {
  const parse = () => parseSnapshot(content, 'some.json');
  expect(parse).toThrow(AnnealError);
  expect(parse).toThrow(problem);
});
