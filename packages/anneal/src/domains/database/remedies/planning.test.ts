import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { createBuiltPlanner } from '../../../adapters/built-planner.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import type { Finding } from '../../../finding/finding.ts';
import { aMeasurement } from '../../../finding/fixtures/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { observedCatalogue, samplesOf, seenStatement, type Traffic } from '../fixtures/observed-database.ts';
import { explainStatements } from '../probes/plans.ts';
import { addIndex } from './add-index.ts';
import type { AddIndexPlan } from './add-index-plan.ts';

const sqlParser = await createSqlParser();

/** Deliveries of a depot: nothing but the primary key is indexed. */
const schemaSql = `
  CREATE TABLE deliveries (id bigserial PRIMARY KEY, route_id int NOT NULL, parcel text NOT NULL, state text NOT NULL, recipient varchar(80),
                           scan jsonb NOT NULL, due_at timestamptz NOT NULL);
  INSERT INTO deliveries (route_id, parcel, state, recipient, scan, due_at)
  SELECT n % 700, 'Parcel ' || md5(n::text), (ARRAY['due', 'done', 'done', 'done', 'done', 'done', 'done', 'done'])[1 + n % 8], 'Person ' || n % 9000,
         jsonb_build_object('gate', n % 900), timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 30000) n;
  CREATE TABLE stops (at timestamptz, van int) PARTITION BY RANGE (at);
  CREATE TABLE stops_2026 PARTITION OF stops FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  INSERT INTO stops SELECT timestamptz '2026-01-01' + n * interval '1 minute', n FROM generate_series(1, 3000) n;
  ANALYZE`;

interface Seen {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly totalMs?: number;
  readonly routes?: readonly string[];
}

interface Lab {
  readonly sql: Sql;
  readonly url: string;
  /** What planning would be given after a window in which exactly these statements were seen. */
  readonly contextFor: (seen: readonly Seen[], planner?: PlanningContext['planner']) => Promise<PlanningContext>;
}

async function withLab(work: (lab: Lab) => Promise<void>, extra = ''): Promise<void> {
  await using database = await createTestDatabase(schemaSql + extra);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const contextFor: Lab['contextFor'] = async (seen, planner = null) => {
    const traffic = seen.map(trafficOf);
    const samples = samplesOf(sqlParser, traffic);
    const statements = traffic.map((each) => seenStatement(sqlParser, each));
    const measurement = aMeasurement({
      ...(await observedCatalogue(sql, sqlParser)),
      'postgres.statements': statements,
      'postgres.plans': await explainStatements(sql, statements, samples),
    });
    return { measurement, sql, sqlParser, planner, samples };
  };
  await work({ sql, url: database.url, contextFor });
}

function idOf(text: string): string {
  return sqlParser.fingerprint(text)!;
}

function trafficOf({ text, values, totalMs = 100, routes = [] }: Seen): Traffic {
  return { text, calls: 10, meanMs: totalMs / 10, routes, ...(values === undefined ? {} : { values: [values] }) };
}

function findingOn(
  text: string,
  on: { readonly columns: readonly string[]; readonly table?: string },
  ruleId: Finding['ruleId'] = 'database/missing-index',
): Finding {
  return {
    ruleId,
    fingerprint: 'f',
    level: 'warning',
    message: '',
    subject: {
      kind: 'statement',
      key: text,
      statementId: idOf(text),
      text,
      tables: [on.table ?? 'public.deliveries'],
      columns: on.columns,
    },
    locations: [],
    impact: { resource: 'database-time', share: 0.5, certainShare: 0.4 },
    evidence: [{ label: 'rows', value: 1, unit: '1', provenance: 'measured', source: 'EXPLAIN' }],
    costIfIgnored: '',
    proposal: { title: '', text: '', code: null, expected: null },
  };
}

async function planned(finding: Finding, context: PlanningContext): Promise<AddIndexPlan | null> {
  return (await addIndex.plan(finding, context)) as AddIndexPlan | null;
}

const page = 'SELECT * FROM deliveries WHERE route_id = $1 ORDER BY due_at DESC LIMIT 20';

describe('the plan for a finding', () => {
  test('is an index with a stable name, as data', () =>
    withLab(async ({ contextFor }) => {
      const context = await contextFor([{ text: page, values: [5] }]);
      const plan = await planned(findingOn(page, { columns: ['route_id', 'due_at'] }), context);
      expect(plan).toEqual({
        index: { schema: 'public', table: 'deliveries', keys: ['route_id', 'due_at DESC'], method: 'btree', include: [], predicate: null },
        name: expect.stringMatching(/^anneal_deliveries_route_id_due_at_[0-9a-f]{8}$/),
        statementIds: [idOf(page)],
        extension: null,
        extensionWasPresent: true,
      });
      expect(addIndex.describe(plan)).toMatchObject({
        title: 'Index deliveries (route_id, due_at DESC)',
        sql: {
          up: `CREATE INDEX CONCURRENTLY ${plan!.name} ON public.deliveries (route_id, due_at DESC);`,
          down: `DROP INDEX CONCURRENTLY IF EXISTS public.${plan!.name};`,
        },
      });
    }));

  test('is the same for every finding that the same index answers', () =>
    withLab(async ({ contextFor }) => {
      const newest = 'SELECT id FROM deliveries WHERE route_id = $1 AND due_at > $2 ORDER BY due_at DESC LIMIT 1';
      const context = await contextFor([
        { text: page, values: [5] },
        { text: newest, values: [5, '2026-01-02'] },
      ]);
      const plans = await Promise.all([page, newest].map((text) => planned(findingOn(text, { columns: ['route_id', 'due_at'] }), context)));
      expect(plans[0]?.statementIds).toEqual([idOf(page), idOf(newest)].sort());
      expect(plans[1]).toEqual(plans[0]);
    }));

  test('is none where the same index exists, under whatever name and spelling', () =>
    withLab(async ({ contextFor }) => {
      const text = 'SELECT * FROM deliveries WHERE lower(recipient) = $1';
      const context = await contextFor([{ text, values: ['person 7'] }]);
      const finding = findingOn(text, { columns: ['recipient'] }, 'database/missing-expression-index');
      // Not even where the measurement was taken before it came to exist.
      const stale: PlanningContext = {
        ...context,
        measurement: { ...context.measurement, observations: { ...context.measurement.observations, 'postgres.indexes': [] } },
      };
      expect(await planned(finding, stale)).toBeNull();
      expect(await addIndex.explainRefusal!(finding, stale)).toBe('the index by_hand is the same');
      expect(await addIndex.explainRefusal!(finding, context)).toBe('no index would serve the statement that is not there already');
    }, '; CREATE INDEX by_hand ON deliveries (LOWER(recipient::text))'));

  test('goes on where only an INVALID leftover of its own exists', () =>
    withLab(async ({ contextFor, url }) => {
      const context = await contextFor([{ text: page, values: [5] }]);
      const finding = findingOn(page, { columns: ['route_id'] });
      const plan = await planned(finding, context);
      await using other = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: false });
      await expect(other.query(`CREATE UNIQUE INDEX CONCURRENTLY ${plan!.name} ON deliveries (state)`)).rejects.toMatchObject({
        code: '23505',
      });
      expect(await planned(finding, await contextFor([{ text: page, values: [5] }]))).toEqual(plan);
    }));

  test('refuses a partitioned table and says what to do instead', () =>
    withLab(async ({ contextFor }) => {
      const text = 'SELECT * FROM stops WHERE van = $1';
      const context = await contextFor([{ text, values: [7] }]);
      const finding = findingOn(text, { columns: ['van'], table: 'stops' });
      expect(await planned(finding, context)).toBeNull();
      expect(await addIndex.explainRefusal!(finding, context)).toMatch(/public\.stops is partitioned.*ATTACH PARTITION/u);
    }));

  test('refuses an expression that PostgreSQL would not index', () =>
    withLab(async ({ contextFor }) => {
      for (const [text, column] of [
        [`SELECT * FROM deliveries WHERE date_trunc('day', due_at) = $1`, 'due_at'],
        ['SELECT * FROM deliveries WHERE due_at::date = $1', 'due_at'],
      ] as const) {
        const context = await contextFor([{ text, values: ['2026-01-02'] }]);
        expect(await addIndex.explainRefusal!(findingOn(text, { columns: [column] }), context)).toContain('not certain to be immutable');
      }
    }));

  test('takes expressions and casts that cannot depend on a setting', () =>
    withLab(async ({ contextFor }) => {
      const text = `SELECT * FROM deliveries WHERE (scan->>'gate')::int = $1`;
      const plan = await planned(findingOn(text, { columns: ['scan'] }), await contextFor([{ text, values: [7] }]));
      expect(plan?.index.keys).toEqual([`((scan ->> 'gate')::int4)`]);
    }));

  test('brings the trigram extension along only where it is absent', async () => {
    const text = 'SELECT * FROM deliveries WHERE parcel ILIKE $1';
    const finding = findingOn(text, { columns: ['parcel'] }, 'database/unindexed-text-search');
    await withLab(async ({ contextFor }) => {
      expect(await planned(finding, await contextFor([{ text, values: ['%c4ca%'] }]))).toMatchObject({
        index: { keys: ['parcel public.gin_trgm_ops'], method: 'gin' },
        extension: 'pg_trgm',
        extensionWasPresent: false,
      });
    });
    await withLab(async ({ contextFor }) => {
      expect(await planned(finding, await contextFor([{ text, values: ['%c4ca%'] }]))).toMatchObject({
        index: { keys: ['parcel tools.gin_trgm_ops'] },
        extensionWasPresent: true,
      });
    }, '; CREATE SCHEMA tools; CREATE EXTENSION pg_trgm SCHEMA tools');
  });

  test('follows the patterns that were seen: a literal beginning needs no trigrams', () =>
    withLab(async ({ contextFor }) => {
      const text = 'SELECT * FROM deliveries WHERE parcel LIKE $1';
      const context = await contextFor([{ text, values: ['Parcel c4%'] }]);
      expect((await planned(findingOn(text, { columns: ['parcel'] }), context))?.index.keys).toEqual(['parcel text_pattern_ops']);
    }));
});

describe('with a planner to ask', () => {
  test('an index no plan would use is refused', () =>
    withLab(async ({ contextFor, url }) => {
      const text = 'SELECT * FROM deliveries WHERE due_at > $1';
      await using planner = createBuiltPlanner(
        await createDatabases().connect(url, { applicationName: 'anneal planner', readOnly: false }),
      );
      const all = await contextFor([{ text, values: ['2020-01-01'] }], planner);
      expect(await addIndex.explainRefusal!(findingOn(text, { columns: ['due_at'] }), all)).toBe(
        'the planner would use none of the indexes derived from the statement',
      );
      const few = await contextFor([{ text, values: ['2026-01-21 19:00+00'] }], planner);
      expect((await planned(findingOn(text, { columns: ['due_at'] }), few))?.index.keys).toEqual(['due_at']);
    }));

  test('the cheapest plan decides between partial and full', () =>
    withLab(async ({ contextFor, url }) => {
      const text = `SELECT id FROM deliveries WHERE state = 'due' AND due_at > $1 ORDER BY due_at LIMIT 10`;
      await using planner = createBuiltPlanner(
        await createDatabases().connect(url, { applicationName: 'anneal planner', readOnly: false }),
      );
      const context = await contextFor([{ text, values: ['2026-01-10'] }], planner);
      const plan = await planned(findingOn(text, { columns: ['state', 'due_at'] }), context);
      expect(plan?.index).toMatchObject({ keys: ['due_at'], predicate: `state = 'due'` });
    }));

  test('the prediction covers what the index touches: the reads it serves, the reads it leaves alone, the writes it burdens', () =>
    withLab(async ({ contextFor, url }) => {
      await using planner = createBuiltPlanner(
        await createDatabases().connect(url, { applicationName: 'anneal planner', readOnly: false }),
      );
      const insert = 'INSERT INTO deliveries (route_id, parcel, state, scan, due_at) VALUES ($1, $2, $3, $4, $5)';
      const byId = 'SELECT * FROM deliveries WHERE id = $1';
      const seen: Seen[] = [
        { text: page, values: [5], totalMs: 900, routes: ['GET /routes/:id'] },
        { text: byId, values: [9], totalMs: 50, routes: ['GET /deliveries/:id'] },
        { text: insert, totalMs: 60, routes: ['POST /deliveries'] },
      ];
      const context = await contextFor(seen, planner);
      const finding = findingOn(page, { columns: ['route_id', 'due_at'] });
      const plan = await planned(finding, context);
      expect(addIndex.touches(plan, context.measurement)).toEqual({
        statementIds: [idOf(page), idOf(insert)],
        routes: ['GET /routes/:id', 'POST /deliveries'],
        writtenTables: ['public.deliveries'],
      });
      const prediction = await addIndex.predict(plan, finding, context);
      expect(prediction).toMatchObject({ metric: `database.time:${plan!.name}`, model: 'plan-cost' });
      // 960 ms are touched; the page's 900 all but vanish, and one index beside heap and primary key costs the insert half of its 60 ms again.
      expect(prediction.change.point).toBeGreaterThan(-870 / 960);
      expect(prediction.change.point).toBeLessThan(-700 / 960);
      expect(prediction.assumptions).toContain('maintaining the index costs the writes of the window 30 ms');
      expect(prediction.assumptions[0]).toContain('built on a scratch copy');
    }));
});

test('without a planner the measured plan is reckoned with, to the same conclusion', () =>
  withLab(async ({ contextFor, url }) => {
    const seen: Seen[] = [{ text: page, values: [5], totalMs: 900 }];
    const finding = findingOn(page, { columns: ['route_id', 'due_at'] });
    const alone = await contextFor(seen);
    const plan = await planned(finding, alone);
    const reckoned = await addIndex.predict(plan, finding, alone);
    await using planner = createBuiltPlanner(await createDatabases().connect(url, { applicationName: 'anneal planner', readOnly: false }));
    const asked = await addIndex.predict(plan, finding, { ...alone, planner });
    expect(reckoned.assumptions[0]).toContain('no planner engine');
    expect(asked.change.point).toBeGreaterThan(reckoned.change.lower);
    expect(asked.change.point).toBeLessThan(reckoned.change.upper);
    expect(reckoned.change.upper).toBeLessThan(0);
  }));

test('no value a request carried is in the plan, its description or its prediction', () =>
  withLab(async ({ contextFor }) => {
    const text = 'SELECT * FROM deliveries WHERE recipient = $1 AND parcel LIKE $2';
    const context = await contextFor([{ text, values: ['Person 4711', 'Parcel secret%'] }]);
    const finding = findingOn(text, { columns: ['recipient', 'parcel'] });
    const plan = await planned(finding, context);
    const written = JSON.stringify([plan, addIndex.describe(plan), await addIndex.predict(plan, finding, context)]);
    expect(written).toContain('recipient');
    expect(written).not.toMatch(/4711|secret/u);
  }));
