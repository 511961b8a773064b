import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { templateHash } from '@anneal/agent/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import { aProbeContext } from '../../../measurement/fixtures/probe-context.ts';
import { agentProbe } from '../../../measurement/agent-probe.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { examineBatch } from '../batching/examine-batch.ts';
import { parallelNPlusOne } from '../rules/parallel-n-plus-one.ts';
import { sequentialNPlusOne } from '../rules/sequential-n-plus-one.ts';
import { batchStatements, type BatchStatementsPlan } from './batch-statements.ts';

const sqlParser = await createSqlParser();

const schemaSql = `
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL, kind text, joined timestamptz NOT NULL DEFAULT now());
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title text NOT NULL, tags text[] NOT NULL DEFAULT '{}');
  CREATE TABLE secrets (id int PRIMARY KEY, owner text NOT NULL);
  ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
  CREATE VIEW people AS SELECT id, name FROM authors;
  CREATE SEQUENCE tickets;
  CREATE FUNCTION note_read(int) RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM nextval('tickets'); RETURN $1; END$$;
  INSERT INTO authors SELECT n, 'author ' || n, 'kind ' || n % 3 FROM generate_series(1, 40) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 40, 'post ' || n FROM generate_series(1, 400) n;
  INSERT INTO secrets SELECT n, 'x' FROM generate_series(1, 10) n;
  ANALYZE;
`;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase(schemaSql);
  sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: false });
});

afterAll(async () => {
  await sql.close();
  await database[Symbol.asyncDispose]();
});

function statementOf(text: string): StatementObservation {
  const shape = sqlParser.shape(text);
  return {
    id: sqlParser.fingerprint(text) ?? text,
    text: sqlParser.normalise(text),
    kind: shape?.kind ?? 'other',
    tables: [],
    shape,
    calls: 1_000,
    totalMs: 100,
    source: 'server',
    rows: 1_000,
    sharedBlocksHit: 0,
    sharedBlocksRead: 0,
    tempBlocksWritten: 0,
    walBytes: 0,
    locations: [],
    routes: [],
  };
}

const list = 'SELECT id, author_id FROM posts ORDER BY id LIMIT 20';

/** A statement seen twenty times in a request behind the list, with these parameters. */
function examine(
  text: string,
  sets: readonly (readonly unknown[])[] | null,
  others: readonly string[] = [],
  hooks: readonly string[] = ['pg 8.23.1'],
) {
  const statement = statementOf(text);
  const parent = statementOf(list);
  const site = aCallSite({ statementId: statement.id, parentStatementId: parent.id, overlappingShare: 0 });
  const seen = (all: readonly (readonly unknown[] | null)[], sent: string) => all.map((values) => ({ text: sent, values }));
  const context: PlanningContext = {
    measurement: aMeasurement({
      'agent.routes': [aRoute({ route: '/list', statements: [site] })],
      'postgres.statements': [statement, parent],
      'agent.runtime': aRuntime({ hooks }),
    }),
    sql,
    sqlParser,
    planner: null,
    samples: new Map([
      [statement.id, seen(sets ?? [null], text)],
      [parent.id, seen([[]], list)],
      ...others.map((other) => [sqlParser.fingerprint(other)!, seen([null], other)] as const),
    ]),
  };
  return examineBatch(statement, context);
}

describe('what may be batched', () => {
  test.each<[string, readonly (readonly unknown[])[], readonly string[]]>([
    ['SELECT name FROM authors WHERE id = $1', [[1], [2], ['3'], [99]], ['pg_catalog.int4']],
    ['SELECT * FROM posts WHERE author_id = $1 ORDER BY id DESC LIMIT 2;', [[1], [2]], ['pg_catalog.int4']],
    ["SELECT id /* über $1 */ FROM posts WHERE title = $1 AND title <> 'costs $2' -- $3", [['post 1'], ["it's"]], ['pg_catalog.text']],
    [
      'SELECT count(*)::int AS n, max(title) FROM posts WHERE author_id = $1 AND id > $2',
      [
        [1, 5],
        [2, 100],
      ],
      ['pg_catalog.int4', 'pg_catalog.int4'],
    ],
    ['SELECT p.id, a.id, a.name FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.id = $1', [[1], [7]], ['pg_catalog.int4']],
    [
      'SELECT id FROM posts WHERE author_id = $1 ORDER BY id LIMIT 2 OFFSET $2',
      [
        [1, 0],
        [2, 1],
      ],
      ['pg_catalog.int4', 'pg_catalog.int8'],
    ],
  ])('%s', async (text, sets, parameterTypes) => {
    const examined = await examine(text, sets);
    expect(examined).toMatchObject({ parameterTypes, parent: templateHash(list), proof: { parameterSets: expect.any(Number) as number } });
  });

  test.each<[string, string, readonly (readonly unknown[])[] | null, string]>([
    ['locks rows', 'SELECT id FROM authors WHERE id = $1 FOR SHARE', [[1]], 'it locks rows'],
    ['writes', 'INSERT INTO posts VALUES ($1, 1, $2)', [[1, 'x']], 'it writes'],
    ['writes in a CTE', 'WITH gone AS (DELETE FROM posts WHERE id = $1 RETURNING id) SELECT * FROM gone', [[1]], 'syntax'],
    ['makes a table', 'SELECT id INTO other FROM authors WHERE id = $1', [[1]], 'syntax'],
    ['calls what may write', 'SELECT note_read(id) FROM authors WHERE id = $1', [[1]], 'note_read()'],
    ['takes a number', "SELECT nextval('tickets') FROM authors WHERE id = $1", [[1]], 'nextval()'],
    ['asks for the time', 'SELECT id FROM authors WHERE id = $1 AND joined < now()', [[1]], 'now()'],
    ['asks for the time in a word', "SELECT id FROM authors WHERE id = $1 AND joined < 'now'", [[1]], 'the present time'],
    ['asks who is asking', 'SELECT current_user AS me FROM authors WHERE id = $1', [[1]], 'CURRENT_USER'],
    ['asks for a setting', "SELECT current_setting('app.tenant') FROM authors WHERE id = $1", [[1]], 'current_setting()'],
    ['depends on a setting', 'SELECT to_char(joined, $2) FROM authors WHERE id = $1', [[1, 'YYYY']], 'to_char()'],
    ['reads a view', 'SELECT name FROM people WHERE id = $1', [[1]], 'no plain table'],
    ['reads what others may not', 'SELECT owner FROM secrets WHERE id = $1', [[1]], 'no plain table'],
    ['reads the catalogue', 'SELECT relname FROM pg_class WHERE oid = $1', [[1]], 'no plain table'],
    ['takes a list', 'SELECT id FROM authors WHERE id = ANY($1)', [[[1, 2]]], 'a list'],
    ['takes a list as text', 'SELECT id FROM authors WHERE id = ANY($1)', [['{1,2}']], 'no scalar'],
    ['has no parameters', 'SELECT id FROM authors', [[]], 'no parameters'],
    ['is never seen with values', 'SELECT id FROM authors WHERE id = $1', null, 'no captured call returned a row'],
    ['finds nothing', 'SELECT id FROM authors WHERE id = $1', [[-1]], 'no captured call returned a row'],
    ['names its column after its parameter', 'SELECT $1::int FROM authors WHERE id = $1', [[1]], 'give other rows'],
    ['is no SQL', 'SELEKT id FROM authors WHERE id = $1', [[1]], 'no SELECT'],
  ])('a statement that %s may not', async (_what, text, sets, reason) => {
    const examined = await examine(text, sets);
    expect('refused' in examined ? examined.refused : 'accepted').toMatch(new RegExp(reason.replaceAll(/[()]/gu, String.raw`\$&`), 'u'));
  });

  test('a statement that is sent through another driver may not: the agent would refuse it', async () => {
    const [text, sets] = ['SELECT name FROM authors WHERE id = $1', [[1], [2]]] as const;
    expect(await examine(text, sets)).toHaveProperty('proof');
    expect(await examine(text, sets, [], ['postgres 3.4.9'])).toEqual({
      refused: expect.stringContaining('through postgres 3.4.9') as string,
    });
  });

  test("knows which of the application's statements are certain to change nothing", async () => {
    const harmless = ['SELECT name, lower(name) FROM authors WHERE joined < now()', "SELECT count(*) FROM posts WHERE title = 'secret'"];
    const unknown = [
      'SELECT note_read(1)',
      'UPDATE posts SET title = title',
      'SELECT name FROM people',
      'BEGIN',
      'SELECT id FROM authors FOR UPDATE',
    ];
    const child = 'SELECT name FROM authors WHERE id = $1';
    const examined = await examine(child, [[1]], [...harmless, ...unknown]);
    const readOnly = 'refused' in examined ? [] : examined.readOnly;
    expect(readOnly).toEqual([child, list, ...harmless].map(templateHash).toSorted());
  });
});

test('the loops of a real backend are planned from what the agent saw, and answered as before', async () => {
  await using listener = await createAgents().listen();
  const child = fork(join(import.meta.dirname, '../fixtures/loop-process.ts'), {
    execArgv: ['--conditions=@anneal/source', '--import', createAgents().importSpecifier],
    env: { ...process.env, ANNEAL_SOCKET: listener.socketPath, DATABASE_URL: database.url },
  });
  try {
    const [agent, [address]] = await Promise.all([listener.connected(20_000), once(child, 'message') as Promise<[AddressInfo]>]);
    const answers = async () => {
      const found: unknown[] = [];
      for (let from = 0; from < 24; from += 1) {
        for (const path of ['sequential', 'parallel']) {
          found.push(await (await fetch(`http://127.0.0.1:${address.port}/${path}?from=${from}`)).json());
        }
      }
      return found;
    };
    const probe = await agentProbe.open(await aProbeContext({ agent, sqlParser, targetPid: child.pid!, workingDirectory: process.cwd() }));
    const expected = await answers();
    const reading = await probe.close();
    const measurement = aMeasurement({ ...reading.observations, 'postgres.statements': reading.observations['agent.statements']! });
    const context: PlanningContext = { measurement, sql, sqlParser, planner: null, samples: reading.samples! };

    const { findings } = diagnose([sequentialNPlusOne, parallelNPlusOne], measurement, usualSettings);
    expect(findings.map(({ ruleId }) => ruleId).toSorted()).toEqual(['api/parallel-n-plus-one', 'api/sequential-n-plus-one']);
    const plans: BatchStatementsPlan[] = [];
    for (const finding of findings) {
      const plan = (await batchStatements.plan(finding, context)) as BatchStatementsPlan;
      const prediction = await batchStatements.predict(plan, finding, context);
      expect(prediction).toMatchObject({ model: 'amdahl' });
      expect(prediction.metric).toBe(`route.time:GET /${finding.ruleId === 'api/parallel-n-plus-one' ? 'parallel' : 'sequential'}`);
      expect(prediction.change.point).toBeLessThan(0);
      expect(prediction.change.lower).toBeLessThanOrEqual(prediction.change.point);
      expect(batchStatements.touches(plan, measurement)).toEqual({
        statementIds: [plan.statementId, plan.batchedStatementId],
        routes: [finding.ruleId === 'api/parallel-n-plus-one' ? 'GET /parallel' : 'GET /sequential'],
        writtenTables: [],
      });
      expect(batchStatements.describe(plan).lasting).toContain('loop-process.ts');
      const observe = () => agent.policies();
      await remedyConformance({ remedy: batchStatements, plan, context: { sql: null, agent }, observe });
      plans.push(plan);
    }
    // Nothing of the texts goes where plans go.
    expect(JSON.stringify(plans.map(({ policy }) => policy))).not.toMatch(/authors|posts/u);

    for (const plan of plans) await batchStatements.apply(plan, { sql: null, agent });
    await agent.flush();
    expect(await answers()).toEqual(expected);
    const { policies, problems } = await agent.flush();
    expect(problems).toEqual([]);
    const figures = policies.map((policy) => policy.figures).toSorted((one, other) => one['callsAhead']! - other['callsAhead']!);
    expect(figures).toHaveLength(2);
    // A busy machine may let some of what was fetched ahead grow too old.
    expect(figures[0]!['callsBatched']).toBeGreaterThan(24);
    expect(figures[1]!['callsAhead']).toBeGreaterThan(24);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test('without the agent it is absent, cannot be applied and has nothing to revert', async () => {
  const plan = { statementId: 'a' } as BatchStatementsPlan;
  const none = { sql: null, agent: null };
  expect(await batchStatements.inspect(plan, none)).toBe('absent');
  await expect(batchStatements.revert(plan, none)).resolves.toBeUndefined();
  await expect(batchStatements.apply(plan, none)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
});
