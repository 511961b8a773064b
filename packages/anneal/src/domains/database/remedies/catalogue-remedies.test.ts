import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, serverVersion, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import type { Finding, ObjectType } from '../../../finding/finding.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { Sql } from '../../../ports/sql.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { Json, PlanningContext, Remedy } from '../../../remedy/remedy.ts';
import { observeDatabase, type Traffic } from '../fixtures/observed-database.ts';
import { analyzeTable } from './analyze-table.ts';
import { dropIndex } from './drop-index.ts';
import { extendedStatistics } from './extended-statistics.ts';
import { plannerSetting } from './planner-setting.ts';

/** Without autovacuum: on a busy machine it comes between statistics and their comparison. */
const schema = `
  CREATE TABLE stops (id int PRIMARY KEY, city text NOT NULL, postcode text NOT NULL, kind int, note text, code text UNIQUE) WITH (autovacuum_enabled = off);
  INSERT INTO stops SELECT g, 'city ' || g % 40, 'p' || g % 40, g % 5, 'n' || g, 'c' || g FROM generate_series(1, 4000) g;
  CREATE INDEX stops_kind ON stops (kind);
  CREATE INDEX stops_late ON stops (note text_pattern_ops DESC, kind) INCLUDE (city) WITH (fillfactor = 70) WHERE kind > 2 AND note <> 'a WHERE (b)';
  COMMENT ON INDEX stops_late IS 'it''s for the night shift';
  CREATE UNIQUE INDEX stops_apart ON stops (note);
  CREATE INDEX stops_replica ON stops (city);
  CREATE SCHEMA "Ware House";
  CREATE TABLE "Ware House"."Bin; DROP TABLE stops" ("select" int, "Größe, ""x""" int) WITH (autovacuum_enabled = off);
  INSERT INTO "Ware House"."Bin; DROP TABLE stops" SELECT g % 9, g % 9 FROM generate_series(1, 900) g;
  CREATE INDEX "Odd ""idx" ON "Ware House"."Bin; DROP TABLE stops" ("select");
  CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE INDEX parts_b ON parts (b);
  ANALYZE;`;

let database: TestDatabase;
let sql: Sql;
let contextFor: (...traffic: readonly Traffic[]) => Promise<PlanningContext>;

beforeAll(async () => {
  database = await createTestDatabase(schema);
  sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: false, lockTimeoutMs: 1234 });
  const sqlParser = await createSqlParser();
  contextFor = async (...traffic) => {
    const measurement: Measurement = {
      id: 'm',
      arm: 'baseline',
      startedAt: '2026-01-01T00:00:00Z',
      durationMs: 1000,
      observations: await observeDatabase(database.url, traffic),
      gaps: [],
      quality: { trusted: true, problems: [] },
    };
    return { measurement, sql, sqlParser, planner: null, samples: new Map() };
  };
});
afterAll(async () => {
  await sql.close();
  await database[Symbol.asyncDispose]();
});

function findingAbout(type: ObjectType, name: string, code: string | null = null): Finding {
  return {
    ruleId: 'database/unused-index',
    fingerprint: 'f',
    level: 'warning',
    message: 'm',
    subject: { kind: 'object', key: name, type, name },
    locations: [],
    impact: { resource: 'headroom', share: 0.1, certainShare: 0.1 },
    evidence: [{ label: 'l', value: 1, unit: '1', provenance: 'measured', source: 's' }],
    costIfIgnored: 'c',
    proposal: { title: 't', text: 't', code, expected: null },
  };
}

/** Indexes with definition, comment and validity, extended statistics, settings of the database and of the session. */
async function observe(): Promise<unknown> {
  const { rows } = await sql.query(`
    SELECT 'index' AS kind, c.oid::regclass::text AS name, pg_get_indexdef(c.oid) AS detail, obj_description(c.oid, 'pg_class') || i.indisvalid AS more
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'Ware House')
    UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid), NULL FROM pg_statistic_ext
    UNION ALL SELECT 'database', entry, NULL, NULL FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) AS entry
               WHERE datname = current_database()
    UNION ALL SELECT 'session', name, setting, NULL FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout')
    ORDER BY 1, 2`);
  return rows;
}

const writing: readonly Traffic[] = [
  { text: 'INSERT INTO stops (id, city, postcode, kind, note) VALUES ($1, $2, $3, $4, $5)', meanMs: 1 },
  { text: 'UPDATE "Ware House"."Bin; DROP TABLE stops" SET "select" = $1', meanMs: 1 },
  { text: 'SELECT id FROM stops WHERE city = $1 AND postcode = $2', meanMs: 1 },
  { text: 'SELECT 1 FROM "Ware House"."Bin; DROP TABLE stops" WHERE "select" = $1 AND "Größe, ""x""" = $2', meanMs: 1 },
];

async function conforms(remedy: Remedy, finding: Finding): Promise<Json> {
  const context = await contextFor(...writing);
  const plan = await remedy.plan(finding, context);
  expect(plan, (await remedy.explainRefusal?.(finding, context)) ?? '').not.toBeNull();
  await expect(remedyConformance({ remedy, plan: plan!, context: { sql, agent: null }, observe })).resolves.toBeUndefined();
  const prediction = await remedy.predict(plan, finding, context);
  expect(prediction.change.lower).toBeLessThanOrEqual(prediction.change.point);
  return plan!;
}

async function refusal(remedy: Remedy, finding: Finding, ...traffic: readonly Traffic[]): Promise<string | null> {
  const context = await contextFor(...(traffic.length === 0 ? writing : traffic));
  expect(await remedy.plan(finding, context)).toBeNull();
  return remedy.explainRefusal!(finding, context);
}

describe('an index is dropped and comes back as it was', () => {
  test.each(['public.stops_kind', 'public.stops_late', '"Ware House"."Odd ""idx"'])('%s', async (name) => {
    expect(await conforms(dropIndex, findingAbout('index', name))).toMatchObject({ definition: expect.stringMatching(/^CREATE INDEX/) });
  });

  test('its SQL takes it away and brings it back, comment and all', async () => {
    const context = await contextFor(...writing);
    const plan = await dropIndex.plan(findingAbout('index', 'public.stops_late'), context);
    const { up, down } = dropIndex.describe(plan).sql!;
    const before = await observe();
    for (const statement of [up, ...down.split(/(?<=;)\n/u)]) await database.client.query(statement);
    expect(await observe()).toEqual(before);
  });

  test.each([
    ['public.stops_pkey', /a constraint rests on it/],
    ['public.stops_code_key', /a constraint rests on it/],
    ['public.stops_apart', /keeps values unique/],
    ['public.parts_b', /partitioned/],
    ['public.parts_1_b_idx', /partitioned/],
    ['public.gone', /does not exist/],
  ] as const)('but never %s', async (name, reason) => {
    expect(await refusal(dropIndex, findingAbout('index', name))).toMatch(reason);
  });

  test('nor what replication or CLUSTER uses', async () => {
    await database.client.query('ALTER TABLE stops REPLICA IDENTITY USING INDEX stops_pkey; CLUSTER stops USING stops_replica');
    expect(await refusal(dropIndex, findingAbout('index', 'public.stops_replica'))).toMatch(/CLUSTER/);
    await database.client.query('ALTER TABLE stops SET WITHOUT CLUSTER; ALTER TABLE stops REPLICA IDENTITY DEFAULT');
  });

  test('nor where nothing is written, because nothing could be proven', async () => {
    const reading = { text: 'SELECT id FROM stops WHERE id = $1' };
    expect(await refusal(dropIndex, findingAbout('index', 'public.stops_kind'), reading)).toMatch(/writes nothing to public\.stops/);
  });

  test('a build that failed on the way back is found and finished', async () => {
    const context = { sql, agent: null };
    const before = await observe();
    const plan = await dropIndex.plan(findingAbout('index', 'public.stops_kind'), await contextFor(...writing));
    await dropIndex.apply(plan, context);
    await expect(sql.query('CREATE UNIQUE INDEX CONCURRENTLY stops_kind ON stops (kind)')).rejects.toMatchObject({ code: '23505' });
    expect(await dropIndex.inspect(plan, context)).toBe('partial');
    await dropIndex.revert(plan, context);
    expect(await observe()).toEqual(before);
  });
});

describe('a setting of the database is set and taken back', () => {
  const setting = (code: string) => findingAbout('setting', 'x', code);

  test('where nothing was set', async () => {
    expect(await conforms(plannerSetting, setting('ALTER DATABASE "my db" SET random_page_cost = 1.1;'))).toMatchObject({
      name: 'random_page_cost',
      value: '1.1',
      before: null,
    });
  });

  test('where something was set', async () => {
    const name = JSON.stringify(database.name);
    await database.client.query(
      `ALTER DATABASE ${name} SET work_mem = '5MB'; ALTER DATABASE ${name} SET "search_path" = public, "Ware House"`,
    );
    expect(await conforms(plannerSetting, setting(`ALTER DATABASE x SET work_mem = '64MB';`))).toMatchObject({ before: '5MB' });
    await database.client.query(`ALTER DATABASE ${name} RESET ALL`);
  });

  test('its SQL does the same in whatever database it runs, and new sessions have it', async () => {
    const plan = await plannerSetting.plan(setting(`ALTER SYSTEM SET effective_cache_size = '3GB';`), await contextFor());
    const { up, down } = plannerSetting.describe(plan).sql!;
    const valueInNewSession = async () => {
      await using other = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
      return (await other.query<{ value: string }>(`SELECT current_setting('effective_cache_size') AS value`)).rows[0]!.value;
    };
    const before = await valueInNewSession();
    await database.client.query(up);
    expect(await valueInNewSession()).toBe('3GB');
    await database.client.query(down);
    expect(await valueInNewSession()).toBe(before);
  });

  test('what somebody else has set meanwhile is theirs', async () => {
    const name = JSON.stringify(database.name);
    const plan = await plannerSetting.plan(setting('ALTER DATABASE x SET jit = off;'), await contextFor());
    await plannerSetting.apply(plan, { sql, agent: null });
    await database.client.query(`ALTER DATABASE ${name} SET jit = 'on'`);
    await plannerSetting.revert(plan, { sql, agent: null });
    expect(await plannerSetting.inspect(plan, { sql, agent: null })).toBe('partial');
    await database.client.query(`ALTER DATABASE ${name} RESET ALL`);
  });

  test.each([
    [`ALTER SYSTEM SET shared_buffers = '4GB';`, /cannot be set for one database/],
    ['ALTER DATABASE x SET fsync = off;', /cannot be set for one database/],
    [null, /names no setting/],
  ] as const)('but not %s', async (code, reason) => {
    expect(await refusal(plannerSetting, findingAbout('setting', 'x', code))).toMatch(reason);
  });
});

describe('extended statistics are made, filled and dropped', () => {
  test.each(['public.stops (city, postcode)', '"Ware House"."Bin; DROP TABLE stops" ("select", "Größe, ""x""")'])('%s', async (name) => {
    expect(await conforms(extendedStatistics, findingAbout('table', name))).toMatchObject({ name: expect.stringMatching(/_stat$/) });
  });

  test('with them the planner expects the rows that come', async () => {
    const expected = async () => {
      const { rows } = await sql.query<{ 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }] }>(
        `EXPLAIN (FORMAT JSON) SELECT * FROM stops WHERE city = 'city 3' AND postcode = 'p3'`,
      );
      return rows[0]!['QUERY PLAN'][0].Plan['Plan Rows'];
    };
    const plan = await extendedStatistics.plan(findingAbout('table', 'public.stops (city, postcode)'), await contextFor(...writing));
    expect(await expected()).toBeLessThan(10);
    await extendedStatistics.apply(plan, { sql, agent: null });
    expect(await expected()).toBe(100);
    await extendedStatistics.revert(plan, { sql, agent: null });
  });

  test('also where there are more combinations than a list of the commonest would hold', async () => {
    await sql.query('SET default_statistics_target = 10');
    const plan = await extendedStatistics.plan(findingAbout('table', 'public.stops (city, postcode)'), await contextFor(...writing));
    await extendedStatistics.apply(plan, { sql, agent: null });
    for (const number of [0, 7, 13, 19]) {
      const { rows } = await sql.query<{ 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }] }>(
        `EXPLAIN (FORMAT JSON) SELECT * FROM stops WHERE city = 'city ${number}' AND postcode = 'p${number}'`,
      );
      expect(rows[0]!['QUERY PLAN'][0].Plan['Plan Rows']).toBeGreaterThan(50);
    }
    await extendedStatistics.revert(plan, { sql, agent: null });
    await sql.query('RESET default_statistics_target');
  });

  test('not where no statement compares the columns', async () => {
    expect(await refusal(extendedStatistics, findingAbout('table', 'public.stops (city, note)'))).toMatch(/no statement/);
    expect(await refusal(extendedStatistics, findingAbout('table', 'public.stops (city, gone)'))).toMatch(/does not exist/);
  });
});

// Statistics can be restored from version 18 on.
describe.skipIf(serverVersion < 180_000)('fresh statistics, and the old ones back', () => {
  const observeStatistics = async () => [
    await observe(),
    (
      await sql.query(
        `SELECT s.*, s.most_common_vals::text AS common, s.histogram_bounds::text AS bounds FROM pg_stats s
          WHERE schemaname IN ('public', 'Ware House') ORDER BY schemaname, tablename, attname`,
      )
    ).rows.map((row) => JSON.stringify(row)),
    (
      await sql.query(
        `SELECT oid::regclass::text AS name, relpages, reltuples, relallvisible FROM pg_class WHERE relnamespace IN ('public'::regnamespace, '"Ware House"'::regnamespace) ORDER BY 1`,
      )
    ).rows,
  ];

  test.each([
    ['public.visits', 'of all kinds of columns, an expression index and a column never analysed'],
    ['"Ware House"."Bin; DROP TABLE stops"', 'under hostile names'],
  ])('%s: %s', async (name) => {
    await database.client.query(`
      CREATE TABLE IF NOT EXISTS visits (id int PRIMARY KEY, tags text[], during tsrange, at timestamptz, name text) WITH (autovacuum_enabled = off);
      TRUNCATE visits;
      CREATE INDEX IF NOT EXISTS visits_lower ON visits (lower(name));
      INSERT INTO visits SELECT g, ARRAY['t' || g % 5, 'u'], tsrange('2026-01-01', '2026-01-02'), now(), 'n' || g % 30 FROM generate_series(1, 500) g;
      ANALYZE visits; ALTER TABLE visits ADD COLUMN IF NOT EXISTS later int;
      INSERT INTO visits SELECT g, ARRAY['x'], NULL, now(), 'm' || g, g FROM generate_series(501, 3000) g;
      INSERT INTO "Ware House"."Bin; DROP TABLE stops" SELECT 77, g FROM generate_series(1, 3000) g`);
    const context = await contextFor(...writing, { text: 'SELECT id FROM visits WHERE name = $1' });
    const plan = await analyzeTable.plan(findingAbout('table', name), context);
    expect(plan).not.toBeNull();
    await remedyConformance({ remedy: analyzeTable, plan: plan!, context: { sql, agent: null }, observe: observeStatistics });
    const before = await observeStatistics();
    const { up, down } = analyzeTable.describe(plan).sql!;
    for (const statement of [...up.split(/(?<=;)\n/u), ...down.split(/(?<=;)\n/u)]) await database.client.query(statement);
    expect(await observeStatistics()).toEqual(before);
  });

  test('not where something would not come back, or nothing reads it', async () => {
    expect(await refusal(analyzeTable, findingAbout('table', 'public.parts'))).toMatch(/partitions/);
    expect(await refusal(analyzeTable, findingAbout('table', 'public.gone'))).toMatch(/does not exist/);
    expect(await refusal(analyzeTable, findingAbout('table', 'public.stops'), { text: 'SELECT 1' })).toMatch(/no statement/);
    await database.client.query('CREATE STATISTICS stops_own ON city, kind FROM stops');
    expect(await refusal(analyzeTable, findingAbout('table', 'public.stops'))).toMatch(/extended statistics/);
  });
});
