import type pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { createDatabases } from '../../adapters/pg.ts';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import { indexSql } from '../../ports/index-sql.ts';
import type { IndexDefinition } from '../../ports/planner.ts';
import { indexBuildCost } from './index-build-cost.ts';
import { predictIndexSize, tableStatistics, type TableStatistics } from './index-size.ts';
import { indexUpkeep, rowWalBytes } from './index-upkeep.ts';
import { takeSnapshot } from './snapshot/take-snapshot.ts';

const rows = 20_000;

/** Twice as many rows as the table begins with, so that pages split as they do in the long run. */
const rowsSql = (from: number) => `SELECT i AS id, (random() * 1e6)::int AS number, (random() * 20)::int AS few,
    'user' || (random() * 1e6)::int || '@example.com' AS email, timestamptz '2025-01-01' + i * interval '1 second' AS at, gen_random_uuid() AS ref,
    jsonb_build_object('a', (random() * 100)::int, 'b', (random() * 1000)::int, 'c', 'x' || (random() * 50)::int) AS document,
    ARRAY[(random() * 100)::int, 200 + (random() * 100)::int, 400 + i % 50] AS numbers, 0 AS progress
  FROM generate_series(${from + 1}, ${from + rows}) i`;

const setupSql = `SELECT setseed(0.5); CREATE TABLE jobs WITH (fillfactor = 50) AS ${rowsSql(0)}; ALTER TABLE jobs ADD UNIQUE (id)`;

const index = (key: string, shape: Partial<IndexDefinition> = {}): IndexDefinition => ({
  schema: 'public',
  table: 'jobs',
  keys: [key],
  method: 'btree',
  include: [],
  predicate: null,
  ...shape,
});

const candidates: readonly IndexDefinition[] = [
  index('number'),
  index('few'),
  index('email'),
  index('at'),
  index('ref'),
  index('number', { keys: ['few', 'number'] }),
  index('number', { include: ['email'] }),
  index('number', { predicate: 'few = 3' }),
  index('number', { method: 'hash' }),
  index('document jsonb_path_ops', { method: 'gin' }),
  index('numbers', { method: 'gin' }),
];

test('the log that an index adds to inserts is within a quarter of what PostgreSQL writes', { timeout: 120_000 }, async () => {
  await using database = await createTestDatabase(setupSql);
  const { client } = database;
  const table = await statisticsOf(database.url, client);
  const bare = await insertedBytes(client);
  for (const definition of candidates) {
    await client.query(indexSql(definition, { name: 'candidate' }));
    const added = (await insertedBytes(client)) - bare;
    await client.query('DROP INDEX candidate');
    const predicted = indexUpkeep(definition, {
      statistics: table,
      writes: [{ kind: 'insert', rows, assignedColumns: [] }],
      heapOnlyShare: 0,
      existing: [],
    })!.walBytes;
    // A hundredth of the heap's own log is what the same insert differs by from run to run.
    expect.soft(Math.abs(predicted - added), indexSql(definition)).toBeLessThan(0.25 * added + 0.01 * bare);
  }
  // Only rows that still fall into the last range that has a summary widen it.
  const definition = index('at', { method: 'brin' });
  await client.query(indexSql(definition, { name: 'candidate' }));
  expect(rowWalBytes(definition, table)).toBe(0);
  expect((await insertedBytes(client)) - bare).toBeLessThan(0.03 * bare);
});

test('an index on a column that updates assign makes every index log every update', { timeout: 120_000 }, async () => {
  await using database = await createTestDatabase(`${setupSql}; CREATE INDEX ON jobs (number); CREATE INDEX ON jobs (email)`);
  const { client } = database;
  const table = await statisticsOf(database.url, client);
  const heapOnly = await updatedBytes(client);
  const definition = index('progress');
  await client.query(indexSql(definition, { name: 'candidate' }));
  const added = (await updatedBytes(client)) - heapOnly;
  const upkeep = indexUpkeep(definition, {
    statistics: table,
    writes: [{ kind: 'update', rows: rows / 4, assignedColumns: ['progress'] }],
    heapOnlyShare: 1,
    existing: [index('id'), index('number'), index('email')],
  })!;
  expect(upkeep.lostHeapOnlyRows).toBe(rows / 4);
  expect(Math.abs(upkeep.walBytes / added - 1)).toBeLessThan(0.25);
});

test('payload and predicate end heap-only updates as keys do, other columns do not', async () => {
  await using database = await createTestDatabase(setupSql);
  const statistics = await statisticsOf(database.url, database.client);
  const lost = (definition: IndexDefinition) =>
    indexUpkeep(definition, {
      statistics,
      writes: [{ kind: 'update', rows: 100, assignedColumns: ['progress'] }],
      heapOnlyShare: 0.8,
      existing: [index('id')],
    })!;
  expect(lost(index('number', { include: ['progress'] }))).toMatchObject({ entryRows: 100, lostHeapOnlyRows: 80 });
  expect(lost(index('number', { predicate: 'progress = 0' }))).toMatchObject({ entryRows: 100, lostHeapOnlyRows: 80 });
  expect(lost(index('number'))).toMatchObject({ entryRows: expect.closeTo(20), lostHeapOnlyRows: 0 });
});

test('rows in the order of the key dirty few pages, others one page each', async () => {
  await using database = await createTestDatabase(setupSql);
  const statistics = await statisticsOf(database.url, database.client);
  const dirtied = (definition: IndexDefinition) =>
    indexUpkeep(definition, { statistics, writes: [{ kind: 'insert', rows: 100, assignedColumns: [] }], heapOnlyShare: 0, existing: [] })!
      .dirtiedPages;
  expect(dirtied(index('at'))).toBe(1);
  expect(dirtied(index('ref'))).toBeGreaterThan(45);
});

test('a build logs the index itself, reads the heap twice when concurrent, and spills what memory does not hold', async () => {
  await using database = await createTestDatabase(setupSql);
  const { client } = database;
  const table = await statisticsOf(database.url, client);
  const definition = index('email');
  const size = predictIndexSize(definition, table)!;
  const cost = indexBuildCost(definition, table, size, { concurrently: false });
  const { rows: before } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
  await client.query(indexSql(definition));
  const { rows: logged } = await client.query<{ bytes: number }>(
    'SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::float8 AS bytes',
    [before[0]!.at],
  );
  // Other tests write to the same log; only what is too little would be wrong.
  expect(logged[0]!.bytes).toBeGreaterThan(0.8 * cost.walBytes);
  expect(cost.spilledBytes).toBe(0);
  const tight = indexBuildCost(definition, table, size, { concurrently: true, maintenanceWorkMemBytes: 1024 * 1024 });
  expect(tight.readBytes).toBe(2 * cost.readBytes);
  expect(tight.spilledBytes).toBeGreaterThan(size.rows * size.entryBytes);
  expect(tight.buildMs).toBeGreaterThan(cost.buildMs);
});

/** Without full-page images: a checkpoint in the middle makes some, then the same is measured again. Rolled back, so each index meets the same table. */
async function insertedBytes(client: pg.Client): Promise<number> {
  return loggedBytes(client, `INSERT INTO jobs ${rowsSql(rows)}`);
}

async function updatedBytes(client: pg.Client): Promise<number> {
  return loggedBytes(client, 'UPDATE jobs SET progress = progress + 1 WHERE id % 4 = 0');
}

interface LoggedPlan {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'WAL Bytes': number; readonly 'WAL FPI': number } }];
}

async function loggedBytes(client: pg.Client, statement: string): Promise<number> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await client.query('BEGIN');
    await client.query('SELECT setseed(0.9)');
    const { rows: plans } = await client.query<LoggedPlan>(`EXPLAIN (ANALYZE, WAL, FORMAT JSON) ${statement}`);
    await client.query('ROLLBACK');
    await client.query('VACUUM jobs');
    const { 'WAL Bytes': bytes, 'WAL FPI': images } = plans[0]!['QUERY PLAN'][0].Plan;
    if (images === 0) return bytes;
  }
  throw new Error('every attempt met a checkpoint');
}

async function statisticsOf(url: string, client: pg.Client): Promise<TableStatistics> {
  await client.query('VACUUM ANALYZE jobs');
  const sql = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: true });
  try {
    const snapshot = await takeSnapshot(sql, { values: 'kept', sqlParser: await createSqlParser(), takenAt: new Date(0).toISOString() });
    return tableStatistics(snapshot, 'public', 'jobs')!;
  } finally {
    await sql.close();
  }
}
