import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  agrees,
  compareWithShadow,
  indexSets,
  planForReal,
  realSizes,
  sameIndexes,
  warehouseSql,
  warehouseStatements,
  type RealPlans,
} from '../../../../test/support/planner-agreement.ts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import { takeSnapshot } from '../domains/database/snapshot/take-snapshot.ts';
import type { DatabaseSnapshot, SnapshotTable } from '../ports/database-snapshot.ts';
import type { IndexDefinition, PlanNode, ShadowPlanner, WhatIf } from '../ports/planner.ts';
import { createDatabases } from './pg.ts';
import { createShadowPlanner, type ShadowPlannerOptions } from './shadow-planner.ts';
import { createSqlParser } from './sql-parser.ts';

describe('beside a real server', () => {
  let database: TestDatabase;
  let snapshot: DatabaseSnapshot;
  let real: readonly RealPlans[];
  let shadow: ShadowPlanner;
  let imageFolder: string;
  beforeAll(async () => {
    imageFolder = mkdtempSync(join(tmpdir(), 'anneal-shadow-test-'));
    database = await createTestDatabase();
    await database.client.query(warehouseSql);
    await database.client.query('VACUUM ANALYZE');
    await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
    snapshot = await takeSnapshot(sql, { values: 'kept', sqlParser: await createSqlParser(), takenAt: '2026-01-01T00:00:00.000Z' });
    real = await planForReal(database.client, warehouseStatements);
    shadow = await createShadowPlanner(snapshot, { sizeOf: realSizes(real), imageFolder });
  });
  afterAll(async () => {
    rmSync(imageFolder, { recursive: true });
    await shadow[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  test('nothing of the warehouse is lost', () => {
    expect(shadow.gaps).toEqual([]);
  });

  test('it plans as the server does with the indexes really built: same indexes, cost within 5 %, for 95 % of the plans', async () => {
    const answers = await compareWithShadow(shadow, warehouseStatements, real);
    expect(answers.length).toBeGreaterThan(60);
    const disagreeing = answers.filter((answer) => !agrees(answer));
    expect(disagreeing.length / answers.length, JSON.stringify(disagreeing, null, 2)).toBeLessThanOrEqual(0.05);
    // Where costs part, the choice does not.
    expect(answers.filter((answer) => !sameIndexes(answer)).length / answers.length).toBeLessThanOrEqual(0.05);
  });

  test('an existing index that is imagined away is not used, and is back in the next question', async () => {
    const asked = [{ text: "SELECT * FROM products WHERE tags @> ARRAY['tag39']", values: [] }];
    const plan = async (hidden: readonly { readonly schema: string; readonly name: string }[]) =>
      JSON.stringify((await shadow.whatIf(asked, [], { hidden })).plans[0]!.root);
    expect(await plan([])).toContain('products_tags');
    expect(await plan([{ schema: 'public', name: 'products_tags' }])).not.toContain('products_tags');
    expect(await plan([])).toContain('products_tags');
  });

  test('a setting that is imagined changes costs for one question only', async () => {
    const asked = [{ text: 'SELECT * FROM orders WHERE customer_id = 29000', values: [] }];
    const index = { schema: 'public', table: 'orders', keys: ['customer_id'], method: 'btree', include: [], predicate: null } as const;
    const cost = async (settings: Readonly<Record<string, string>>) =>
      (await shadow.whatIf(asked, [index], { settings })).plans[0]!.totalCost;
    const usual = await cost({});
    expect(await cost({ random_page_cost: '1.1' })).toBeLessThan(usual);
    expect(await cost({})).toBe(usual);
  });

  test('an index on a partitioned table is one on each of its partitions', async () => {
    const index: IndexDefinition = { schema: 'public', table: 'readings', keys: ['value'], method: 'btree', include: [], predicate: null };
    const { uses, plans, indexes } = await shadow.whatIf([{ text: 'SELECT * FROM readings WHERE value > 99.9', values: [] }], [index]);
    expect(uses).toEqual([[0]]);
    expect(indexScans(plans[0]!.root)).toBe(3);
    expect(indexes[0]!.sizeBytes).toBeGreaterThan(120_000 * 16);
  });

  test('a value beyond the histogram sends the planner down the B-tree, which has an end', async () => {
    const { plans } = await shadow.whatIf([{ text: 'SELECT count(*) FROM orders WHERE id > 149999 OR id < 3', values: [] }], []);
    expect(plans[0]).not.toBeNull();
  });

  test('started from a kept image, or from one made because that was damaged, it plans as one initialised afresh: to the last digit', async () => {
    const [file] = readdirSync(imageFolder).map((name) => join(imageFolder, name));
    const kept = readFileSync(file!);
    const afresh = await everyPlan({ afresh: true });
    expect(await everyPlan({ imageFolder })).toEqual(afresh);
    expect(readFileSync(file!).equals(kept)).toBe(true);
    truncateSync(file!, 100_000);
    expect(await everyPlan({ imageFolder })).toEqual(afresh);
    expect(readdirSync(imageFolder)).toHaveLength(1);
    expect(statSync(file!).size).toBeGreaterThan(0.9 * kept.length);
  });

  test('and so it does where text is in the order of a language', async () => {
    const inOrder = { ...snapshot, collation: 'en_US.UTF-8' };
    const afresh = await everyPlan({ afresh: true }, inOrder);
    expect(await everyPlan({}, inOrder)).toEqual(afresh);
    // A plain index finds a prefix in the order of bytes only: without that difference this would be the same test again.
    expect(afresh).not.toEqual(await everyPlan({ imageFolder }));
  });

  async function everyPlan(options: ShadowPlannerOptions, from: DatabaseSnapshot = snapshot): Promise<readonly WhatIf[]> {
    await using planner = await createShadowPlanner(from, options);
    const answers: WhatIf[] = [];
    for (const indexes of [...Object.values(indexSets), [byName]]) {
      answers.push(
        await planner.whatIf(
          [...warehouseStatements, "SELECT * FROM customers WHERE name LIKE 'abc%'"].map((text) => ({ text, values: [] })),
          indexes,
        ),
      );
    }
    expect(answers.flatMap(({ plans }) => plans.filter((plan) => plan === null))).toEqual([]);
    return answers;
  }

  test('it says why a statement has no plan and why an index cannot be', async () => {
    const index: IndexDefinition = { schema: 'public', table: 'orders', keys: ['nowhere'], method: 'btree', include: [], predicate: null };
    expect(await shadow.whyNot({ index })).toContain('"nowhere" does not exist');
    expect(await shadow.whyNot({ statement: { text: 'SELECT FROM nothing', values: null } })).toContain('"nothing" does not exist');
    expect(await shadow.whyNot({ statement: { text: 'SELECT FROM orders WHERE id = $1', values: null } })).toBeNull();
  });
});

const byName: IndexDefinition = { schema: 'public', table: 'customers', keys: ['name'], method: 'btree', include: [], predicate: null };

function indexScans(node: PlanNode): number {
  return (node['Index Name'] === undefined ? 0 : 1) + (node.Plans ?? []).map(indexScans).reduce((sum, count) => sum + count, 0);
}

const table: SnapshotTable = {
  schema: 'public',
  name: 'visits',
  kind: 'table',
  parent: null,
  partitionKey: null,
  columns: [
    column('id', 'bigint', 8),
    column('page', 'text', -1),
    column('place', 'public.geometry(Point,4326)', -1),
    { ...column('title', 'text', -1), collation: 'pg_catalog."xx_YY.utf8"' },
  ],
  pages: 130_000_000,
  rows: 12_000_000_000,
  allVisiblePages: 0,
  filePages: 130_000_000,
  options: [],
  inserts: 0,
  updates: 0,
  hotUpdates: 0,
  deletes: 0,
};

function column(name: string, type: string, fixedLengthBytes: number): SnapshotTable['columns'][number] {
  return {
    name,
    type,
    notNull: false,
    collation: null,
    expression: null,
    generated: null,
    fixedLengthBytes,
    alignment: 'd',
    statistics: {
      inherited: false,
      nullShare: 0,
      averageWidthBytes: 12,
      distinct: -0.5,
      correlation: 0.1,
      mostCommonValues: null,
      mostCommonFrequencies: null,
      histogramBounds: null,
      mostCommonElements: null,
      mostCommonElementFrequencies: null,
      elementCountHistogram: null,
    },
  };
}

const terabyte: DatabaseSnapshot = {
  formatVersion: 1,
  takenAt: '2026-01-01T00:00:00.000Z',
  server: { version: '16.4', versionNumber: 160_004 },
  collation: 'en_US.UTF-8',
  values: 'kept',
  settings: { search_path: 'public', random_page_cost: '1.1', effective_cache_size: '48GB', work_mem: '64GB' },
  extensions: [{ name: 'postgis', version: '3.4', schema: 'public' }],
  prerequisites: [],
  tables: [table],
  indexes: [
    {
      schema: 'public',
      name: 'visits_place',
      table: 'visits',
      definition: 'CREATE INDEX visits_place ON public.visits USING gist (place)',
      constraint: null,
      unique: false,
      valid: true,
      replicaIdentity: false,
      pages: 100,
      rows: 100,
      filePages: 100,
      expressionStatistics: [null],
      scans: 0,
    },
  ],
  foreignKeys: [],
  views: [],
  extendedStatistics: [],
  statements: [],
  gaps: [],
};

const byPage: IndexDefinition = { schema: 'public', table: 'visits', keys: ['page'], method: 'btree', include: [], predicate: null };

describe('of a terabyte, with types and collations this PostgreSQL does not know', () => {
  let folder: string;
  let shadow: ShadowPlanner;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'anneal-shadow-test-'));
    shadow = await createShadowPlanner(terabyte, { folder });
  });
  afterAll(async () => {
    await shadow[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('the planner sees its full length, an index is imagined without reading it, and the disk hardly notices', async () => {
    const { plans, uses, indexes } = await shadow.whatIf([{ text: 'SELECT * FROM visits WHERE page = $1', values: ['a'] }], [byPage]);
    expect(uses).toEqual([[0]]);
    expect(indexes[0]!.sizeBytes).toBeGreaterThan(200e9);
    const [all] = (await shadow.whatIf([{ text: 'SELECT * FROM visits', values: [] }], [])).plans;
    expect(all!.root['Plan Rows']).toBeCloseTo(12e9, -7);
    expect(all!.totalCost).toBeGreaterThan(130_000_000);
    expect(plans[0]!.totalCost).toBeLessThan(all!.totalCost / 1000);
    expect(diskBytes(folder)).toBeLessThan(120e6);
  });

  test('what stands in for something else, and what is left out, is said', () => {
    expect(shadow.gaps).toEqual([
      expect.stringContaining('pg_catalog."xx_YY.utf8"'),
      expect.stringContaining('public.geometry(Point,4326)'),
      expect.stringContaining('visits_place is missing'),
      expect.stringContaining('work_mem is taken as 2097151kB'),
    ]);
  });

  test('where text is in the order of a language a plain index does not serve a prefix', async () => {
    const asked = [{ text: "SELECT * FROM visits WHERE page LIKE 'abc%'", values: [] }];
    expect((await shadow.whatIf(asked, [byPage])).uses).toEqual([[]]);
    expect((await shadow.whatIf(asked, [{ ...byPage, keys: ['page text_pattern_ops'] }])).uses).toEqual([[0]]);
  });

  test('its folder goes with it', async () => {
    const own = mkdtempSync(join(tmpdir(), 'anneal-shadow-test-'));
    const other = await createShadowPlanner({ ...terabyte, tables: [], indexes: [] }, { folder: own });
    expect(readdirSync(own)).toHaveLength(1);
    await other[Symbol.asyncDispose]();
    expect(readdirSync(own)).toEqual([]);
    rmSync(own, { recursive: true });
    expect(existsSync(own)).toBe(false);
  });
});

function diskBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).blocks * 512)
    .reduce((sum, bytes) => sum + bytes, 0);
}
