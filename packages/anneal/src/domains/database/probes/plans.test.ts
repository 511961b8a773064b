import { expect, test } from 'vitest';
import { createTestDatabase, serverVersion } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { aStatement } from '../../../finding/fixtures/observations.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { StatementSample } from '../../../ports/planner.ts';
import { explainStatements, type ExplainOptions } from './plans.ts';
import { readStatement } from './server-statements.ts';

const schema = `
  CREATE TABLE readings (id int PRIMARY KEY, sensor_id int NOT NULL, place text NOT NULL, taken_at timestamptz NOT NULL);
  INSERT INTO readings SELECT g, CASE WHEN g <= 9000 THEN 1 ELSE g END, 'place ' || g, timestamptz '2026-01-01' + g * interval '1 minute' FROM generate_series(1, 10000) g;
  CREATE INDEX ON readings (sensor_id);
  ANALYZE;`;

async function explain(
  url: string,
  texts: readonly string[],
  values: Readonly<Record<string, readonly (readonly unknown[])[]>> = {},
  options: ExplainOptions = {},
) {
  const parser = await createSqlParser();
  await using sql = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: true });
  const statements = texts.map((text): StatementObservation => {
    const shape = parser.shape(text);
    return aStatement({ id: text, text, shape, kind: shape?.kind ?? 'other' });
  });
  const samples = new Map(
    Object.entries(values).map(([text, sets]): [string, readonly StatementSample[]] => [text, sets.map((set) => ({ text, values: set }))]),
  );
  return await explainStatements(sql, statements, samples, options);
}

test('of several parameter sets the costliest plan counts', async () => {
  await using database = await createTestDatabase(schema);
  const text = 'SELECT place FROM readings WHERE sensor_id = $1';
  const rare = await explain(database.url, [text], { [text]: [[9500]] });
  const both = await explain(database.url, [text], { [text]: [[9500], [1]] });
  expect(rare[text]!.root['Node Type']).toBe('Index Scan');
  expect(both[text]!.root).toMatchObject({ 'Node Type': 'Seq Scan', 'Relation Name': 'readings', Schema: 'public' });
  expect(both[text]).toMatchObject({ generic: false, totalCost: both[text]!.root['Total Cost'] });
});

test('real values never stay in a plan', async () => {
  await using database = await createTestDatabase(schema);
  const text = 'SELECT id FROM readings WHERE place LIKE $1 AND sensor_id < $2';
  const plans = await explain(database.url, [text], { [text]: [['%secret%', 918273]] });
  expect(JSON.stringify(plans)).not.toMatch(/secret|918273/);
  expect(plans[text]!.root.Filter).toContain(`'%?%'`);
});

// EXPLAIN knows GENERIC_PLAN from version 16 on.
const ways = serverVersion >= 160_000 ? (['explain-option', 'prepared'] as const) : (['prepared'] as const);

test.each(ways)('without values the plan is a generic one (%s)', async (genericPlans) => {
  await using database = await createTestDatabase(schema);
  const text = 'SELECT place FROM readings WHERE sensor_id = $1 AND taken_at > $2';
  const plans = await explain(database.url, [text, 'SELECT count(*) FROM readings'], {}, { genericPlans });
  expect(plans[text]).toMatchObject({ generic: true });
  expect(plans[text]!.root['Plan Rows']).toBeGreaterThan(0);
  expect(plans['SELECT count(*) FROM readings']).toMatchObject({ generic: false });
});

test.each(ways)('a constant with its type in front is planned from what pg_stat_statements tells of it (%s)', async (genericPlans) => {
  await using database = await createTestDatabase(`CREATE EXTENSION pg_stat_statements; ${schema}`);
  await database.client.query("SELECT id FROM readings WHERE taken_at > now() - interval '1' day");
  const { rows } = await database.client.query<{ query: string }>(
    `SELECT query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE datname = current_database() AND query LIKE '%FROM readings%'`,
  );
  expect(rows).toEqual([{ query: 'SELECT id FROM readings WHERE taken_at > now() - interval $1 day' }]);
  const { text } = readStatement(rows[0]!.query, await createSqlParser());
  const plans = await explain(database.url, [text], {}, { genericPlans });
  expect(plans[text]).toMatchObject({ generic: true, root: { 'Relation Name': 'readings' } });
});

test('writes are planned and not executed, utility statements are left alone', async () => {
  await using database = await createTestDatabase(schema);
  const plans = await explain(
    database.url,
    ['DELETE FROM readings WHERE sensor_id = $1', 'UPDATE readings SET place = $1 WHERE id = $2', 'VACUUM readings'],
    { 'UPDATE readings SET place = $1 WHERE id = $2': [['x', 5]] },
  );
  expect(Object.keys(plans)).toEqual(['DELETE FROM readings WHERE sensor_id = $1', 'UPDATE readings SET place = $1 WHERE id = $2']);
  const { rows } = await database.client.query<{ n: number }>(`SELECT count(*)::int AS n FROM readings WHERE place <> 'x'`);
  expect(rows[0]?.n).toBe(10_000);
});

test('a statement that cannot be planned is a gap of its own', async () => {
  await using database = await createTestDatabase(schema);
  const gaps: string[] = [];
  const good = 'SELECT 1 FROM readings';
  const plans = await explain(database.url, ['SELECT 1 FROM gone WHERE id = $1', good], {}, { onGap: (_, reason) => gaps.push(reason) });
  expect(Object.keys(plans)).toEqual([good]);
  expect(gaps).toEqual([expect.stringContaining('relation "gone" does not exist')]);
});

test('a text that could leave the read-only transaction is never sent', async () => {
  await using database = await createTestDatabase(schema);
  const parser = await createSqlParser();
  const gaps: string[] = [];
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: false });
  const text = 'SELECT 1; COMMIT; DELETE FROM readings';
  const statement = aStatement({ id: 'x', text: 'SELECT 1', shape: parser.shape('SELECT 1') });
  const samples = new Map([['x', [{ text, values: [] }]]]);
  const plans = await explainStatements(sql, [{ ...statement, text }], samples, { onGap: (_, reason) => gaps.push(reason) });
  expect(plans).toEqual({});
  expect(gaps).toEqual([expect.stringContaining('semicolon')]);
  const { rows } = await database.client.query<{ n: number }>('SELECT count(*)::int AS n FROM readings');
  expect(rows[0]?.n).toBe(10_000);
});
