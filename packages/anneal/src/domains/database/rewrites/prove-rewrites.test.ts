import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { observeDatabase, samplesOf, type Traffic } from '../fixtures/observed-database.ts';
import type { RewriteRule } from '../rules/rewrite-rule.ts';
import { rewriteRules } from '../rules/rewrite-rules.ts';
import { proveRewrites } from './prove-rewrites.ts';
import { verifyRewrite } from './verify-rewrite.ts';

const schema = `
  CREATE TABLE riders (id int PRIMARY KEY, email text NOT NULL, city text);
  CREATE TABLE trips (id int PRIMARY KEY, rider_id int, bike_id int NOT NULL, note text);
  CREATE TABLE blocked (rider_id int);
  INSERT INTO riders SELECT g, 'r' || g || '@example.org', 'c' || g % 50 FROM generate_series(1, 5000) g;
  INSERT INTO trips SELECT g, CASE WHEN g % 100 > 0 THEN 1 + g * 7 % 5000 END, g % 300, 'secret ' || g FROM generate_series(1, 20000) g;
  INSERT INTO blocked SELECT nullif(g, 1) FROM generate_series(1, 400) g;
  CREATE INDEX ON trips (rider_id);
  ANALYZE;`;

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase(schema);
  sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: false });
});
afterAll(async () => {
  await sql.close();
  await database[Symbol.asyncDispose]();
});

async function proven(rules: readonly RewriteRule[], traffic: Traffic) {
  const sqlParser = await createSqlParser();
  const observations = await observeDatabase(database.url, [traffic]);
  const measurement: Measurement = {
    id: 'm',
    arm: 'baseline',
    startedAt: '2026-01-01T00:00:00Z',
    durationMs: 1000,
    observations,
    gaps: [],
    quality: { trusted: true, problems: [] },
  };
  const { text, values } = traffic;
  const samples =
    values === undefined ? new Map([[sqlParser.fingerprint(text)!, [{ text, values: null }]]]) : samplesOf(sqlParser, [traffic]);
  const context: PlanningContext = { measurement, sql, sqlParser, planner: null, samples };
  const { findings } = diagnose(rules, measurement, { minimumShare: 0.01 });
  expect(findings).toHaveLength(1);
  return proveRewrites(findings, rules, context);
}

const counting: Traffic = { text: 'SELECT count(*) > 0 AS busy FROM trips WHERE bike_id = $1', values: [[7], [8]], rows: 1 };

test('a form that gives the same rows in less time stays, with the proof and without a value', async () => {
  const { findings, withdrawn } = await proven(rewriteRules, counting);
  expect(withdrawn).toEqual([]);
  expect(findings[0]).toMatchObject({
    level: 'error',
    proposal: {
      text: expect.stringMatching(/equal on \d+ parameter sets, \d+ rows; server time x0\.\d+ \(0\.\d+ \.\. 0\.\d+\)/),
      code: expect.stringContaining('EXISTS'),
      expected: { upper: expect.any(Number) },
    },
  });
  expect(findings[0]!.proposal.expected!.upper).toBeLessThan(0);
});

test('parameters nobody saw are taken from the statistics', async () => {
  const { findings } = await proven(rewriteRules, { text: counting.text });
  expect(findings[0]!.proposal.text).toMatch(/equal on 6 parameter sets/);
});

test('a form that is not faster is withdrawn, with both figures', async () => {
  const same: RewriteRule = {
    ...rewriteRules.find(({ id }) => id === 'database/count-for-existence')!,
    rewriter: (query) => ({ query, because: 'it is the same' }),
  };
  const { findings, withdrawn } = await proven([same], counting);
  expect(findings).toEqual([]);
  expect(withdrawn[0]!.reason).toMatch(/same answer \(\d+ parameter sets, \d+ rows\) and is not certain to be faster: server time x/);
});

describe('a form that answers otherwise is caught, and the counter-example is described without its values', () => {
  const sets = [{ values: [] as readonly unknown[], origin: 'the statement as it is' }];
  const cases: readonly (readonly [string, string, string, boolean, RegExp])[] = [
    [
      'NOT EXISTS where the list holds a NULL',
      'SELECT id FROM riders WHERE id NOT IN (SELECT rider_id FROM blocked)',
      'SELECT id FROM riders WHERE NOT EXISTS (SELECT 1 FROM blocked b WHERE b.rider_id = riders.id)',
      false,
      /^4601 rows instead of 0, for the statement as it is$/,
    ],
    [
      'one value for another',
      'SELECT note FROM trips WHERE id = 7',
      'SELECT note FROM trips WHERE id = 8',
      false,
      /^other rows, 1 in number/,
    ],
    ['another order', 'SELECT id FROM riders ORDER BY id', 'SELECT id FROM riders ORDER BY id DESC', true, /same rows in another order/],
    ['another type', 'SELECT id FROM riders', 'SELECT id::bigint FROM riders', false, /other types/],
    ['another name', 'SELECT id FROM riders', 'SELECT id AS rider FROM riders', false, /other rows/],
    ['lost copies', 'SELECT rider_id FROM trips', 'SELECT DISTINCT rider_id FROM trips', false, /rows instead of 20000/],
    ['a failure', 'SELECT id FROM riders', 'SELECT id / (id - id) AS id FROM riders', false, /fails \(SQLSTATE 22012\)/],
  ];
  test.each(cases)('%s', async (_, original, rewritten, ordered, difference) => {
    const proof = await verifyRewrite(sql, { original, rewritten, ordered }, sets);
    expect(proof).toMatchObject({ result: 'different', difference: expect.stringMatching(difference) });
    expect(JSON.stringify(proof)).not.toContain('secret');
  });
});

test('answers that are all empty prove nothing', async () => {
  const pair = { original: 'SELECT id FROM riders WHERE id < 0', rewritten: 'SELECT id FROM riders WHERE id < -1', ordered: false };
  expect(await verifyRewrite(sql, pair, [{ values: [], origin: 'it' }])).toMatchObject({ result: 'unknown', reason: /empty/ });
});
