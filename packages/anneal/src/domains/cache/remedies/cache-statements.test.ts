import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startObservedApp } from '../../../../../../test/support/observed-app.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createChangeStreams } from '../../../adapters/change-stream.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../adapters/embedded-postgres.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import type { Finding } from '../../../finding/finding.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime, aStatement } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import { agentProbe } from '../../../measurement/agent-probe.ts';
import { aProbeContext } from '../../../measurement/fixtures/probe-context.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { ArmChanges } from '../../../trial/arm-changes.ts';
import { aLoadResult } from '../../../workload/fixtures/load-results.ts';
import { repeatedStatement } from '../rules/repeated-statement.ts';
import { cacheStatements, type CacheStatementsPlan } from './cache-statements.ts';

const sqlParser = await createSqlParser();

const sessionsSql = `
  CREATE TABLE sessions (token text PRIMARY KEY, account_id int NOT NULL, role text NOT NULL);
  INSERT INTO sessions SELECT 'token-' || n, n, 'reader' FROM generate_series(1, 200) n;
  CREATE TABLE switches (name text PRIMARY KEY, enabled boolean NOT NULL);
  INSERT INTO switches SELECT 'switch-' || n, n % 2 = 0 FROM generate_series(1, 20) n;
  CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id int NOT NULL);
`;

describe('a backend that asks for its caller and its switches in every request', () => {
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(sessionsSql);
    await client.end();
  });
  afterAll(() => server.stop());

  test('what it asks again is found, kept while the policy is in force, told of every write, and asked anew when it is gone', async () => {
    const agents = createAgents();
    await using listener = await agents.listen();
    const app = await startObservedApp('sessions.mjs', server.url, agents, listener);
    const { url, agent } = app;
    const inbox = async (account: number) =>
      (await (await fetch(`${url}/inbox`, { headers: { 'x-session': `token-${account}` } })).json()) as {
        readonly caller: { readonly role: string };
      };
    await using sql = await createDatabases().connect(server.url, { applicationName: 'anneal test', readOnly: true });
    const changes = new ArmChanges(createChangeStreams(), server.url);
    try {
      const window = await agentProbe.open(await aProbeContext({ agent, sqlParser, targetPid: app.pid }));
      for (let time = 0; time < 120; time += 1) await inbox(1 + (time % 3));
      for (let time = 0; time < 40; time += 1) await fetch(`${url}/now`);
      const { observations, samples } = await window.close();
      const measurement = aMeasurement({ ...observations, load: aLoadResult({}) });
      const { findings } = diagnose([repeatedStatement], measurement, usualSettings);
      expect(findings.map(({ subject }) => (subject.kind === 'statement' ? subject.tables : []))).toEqual(
        expect.arrayContaining([['sessions'], ['switches']]),
      );
      const about = (table: string) =>
        findings.find(({ subject }) => subject.kind === 'statement' && subject.tables.includes(table)) as Finding;
      const [calls, repeats] = about('sessions').evidence.map(({ value }) => value);
      expect(repeats).toBe(Number(calls) - 3);
      expect(about('sessions').locations[0]).toMatchObject({ line: 12, function: 'callerOf' });
      const context: PlanningContext = { measurement, sql, sqlParser, planner: null, samples: samples ?? new Map() };
      // What is asked for the clock's sake is no question of tables alone.
      const visits = observations['agent.statements']!.find(({ kind, tables }) => kind === 'select' && tables.includes('visits'));
      const momentary = { ...about('sessions'), subject: { ...about('sessions').subject, statementId: visits!.id } } as Finding;
      expect(await cacheStatements.explainRefusal!(momentary, context)).toMatch(/more than tables/);

      const plans: CacheStatementsPlan[] = [];
      for (const table of ['sessions', 'switches']) {
        expect(await cacheStatements.explainRefusal!(about(table), context)).toBeNull();
        plans.push((await cacheStatements.plan(about(table), context)) as unknown as CacheStatementsPlan);
      }
      const [plan, other] = plans as [CacheStatementsPlan, CacheStatementsPlan];
      expect(plan).toMatchObject({ routes: ['GET /inbox'], templates: ['SELECT account_id, role FROM sessions WHERE token = $1'] });
      // No value of the application, and no secret of ours.
      for (const secret of ['token-1', new URL(server.url).password]) expect(JSON.stringify(plan)).not.toContain(secret);

      const act = { sql, agent, changes: changes.follow };
      /** How often the database is asked for the session in ten requests. */
      const asked = async () => {
        await sleep(200);
        await agent.flush();
        for (let time = 0; time < 10; time += 1) await inbox(1);
        const { routes, statementTexts } = await agent.flush();
        const { templateId } = statementTexts.find(({ template }) => template.includes('FROM sessions')) ?? { templateId: -1 };
        const statements = routes.find(({ route }) => route === '/inbox')!.statements;
        return statements.filter((statement) => statement.templateId === templateId).reduce((sum, { calls }) => sum + calls, 0);
      };
      // Statement by statement: one that is kept says nothing of another.
      await cacheStatements.apply(other, act);
      expect(await asked()).toBe(10);
      await remedyConformance({ remedy: cacheStatements, plan, context: act, observe: async () => (await asked()) < 10 });

      await cacheStatements.apply(plan, act);
      await sleep(200);
      for (const role of ['writer', 'owner', 'reader']) {
        await inbox(1);
        await fetch(`${url}/roles/1?role=${role}`, { method: 'POST' });
        expect((await inbox(1)).caller.role).toBe(role);
      }
      const outside = new pg.Client({ connectionString: server.url });
      await outside.connect();
      await outside.query(`UPDATE sessions SET role = 'gone' WHERE account_id = 1`);
      await outside.end();
      await expect.poll(async () => (await inbox(1)).caller.role, { timeout: 5_000 }).toBe('gone');
      for (const each of plans) await cacheStatements.revert(each, act);
      expect(await agent.policies()).toEqual([]);
      const { rows } = await sql.query('SELECT slot_name FROM pg_replication_slots');
      expect(rows).toEqual([]);
    } finally {
      await changes.close();
      await app.stop();
    }
  });
});

const text = 'SELECT role FROM sessions WHERE token = $1';
const asked = { id: 'caller', text, kind: 'select', tables: ['sessions'], calls: 3_000, totalMs: 3_000 } as const;
const statement = aStatement({ ...asked, repetition: { calls: 1_000, repeats: 900 } });

function observed(more: Partial<Observations> = {}): Partial<Observations> {
  const route = aRoute({
    route: '/inbox',
    requests: 3_000,
    totalMs: 12_000,
    queryMs: 6_000,
    statements: [aCallSite({ statementId: 'caller', calls: 3_000, totalMs: 3_000 })],
  });
  return { 'agent.routes': [route], 'agent.runtime': aRuntime(), 'agent.statements': [statement], load: aLoadResult({}), ...more };
}

async function predictionFor(observations: Partial<Observations>, sliceMs?: number, samples: PlanningContext['samples'] = new Map()) {
  const measurement = aMeasurement(observations);
  const { findings } = diagnose([repeatedStatement], measurement, usualSettings);
  const context: PlanningContext = { measurement, sql: null, sqlParser, planner: null, samples, ...(sliceMs && { sliceMs }) };
  return cacheStatements.predict(alone, findings[0]!, context);
}

const alone: CacheStatementsPlan = {
  statementId: 'caller',
  statement: text,
  templates: [text],
  routes: ['GET /inbox'],
  location: null,
  snapshotId: null,
  statements: [],
  shared: null,
  ownRedis: null,
};

test('the prediction is of the database’s time where the server counts it, less what snapshots take', async () => {
  const counted = (meanMs: number) => [aStatement({ ...asked, totalMs: 3_000 * meanMs, source: 'server' })];
  const { metric, change } = await predictionFor(observed({ 'postgres.statements': counted(1) }));
  expect(metric).toBe(`database.time:${text}`);
  // Nine of ten calls repeat, and one answer of fifty is read all the same.
  expect(change.point).toBeCloseTo(-0.9 * 0.98 + 0.118 * 0.003, 5);
  expect(change.lower).toBeLessThanOrEqual(change.point);
  expect(change.upper).toBeGreaterThan(change.point);
  const quick = await predictionFor(observed({ 'postgres.statements': counted(0.01) }));
  expect(quick.change.point).toBeCloseTo(-0.9 * 0.98 + 0.118 * 0.3, 5);
});

test('without such a server it is of the time that its routes wait for it', async () => {
  const { metric, change } = await predictionFor(observed());
  expect(metric).toBe('route.time:GET /inbox');
  expect(change.point).toBeCloseTo(-0.9 * 0.98 * (3_000 / 12_000), 5);
});

test('what a trial lets go at every slice, and what writes drop, is not promised', async () => {
  const usual = (await predictionFor(observed())).change.point;
  const inSlices = (await predictionFor(observed(), 2_000)).change.point;
  // 30 calls of each key in the window, and fifteen slices.
  expect(inSlices).toBeCloseTo((usual * 30) / 45, 5);
  const write = aStatement({
    id: 'login',
    text: 'INSERT INTO sessions VALUES ($1)',
    kind: 'insert',
    tables: ['public.sessions'],
    calls: 30,
  });
  const { change } = await predictionFor(observed({ 'agent.statements': [statement, write] }));
  expect(change.point).toBeCloseTo(usual / 2, 5);
  expect(change.lower).toBeCloseTo(-0.9 * 0.98 * 0.25, 5);
});

test('neither is what would be dropped by statements of which nothing says what they write', async () => {
  const call = aStatement({ id: 'close', text: 'CALL close_month()', kind: 'other', calls: 30 });
  const begin = aStatement({ id: 'begin', text: 'BEGIN', kind: 'other', calls: 9_000 });
  const samples = new Map([call, begin].map(({ id, text: sent }) => [id, [{ text: sent, values: null }]]));
  const usual = await predictionFor(observed());
  const { change, assumptions } = await predictionFor(observed({ 'agent.statements': [statement, call, begin] }), undefined, samples);
  expect(change.point).toBeCloseTo(usual.change.point / 2, 5);
  expect(assumptions.join()).toContain('30 calls of statements of which nothing says what they write');
});

test('without a database, or where nothing was seen, it says why there is none', async () => {
  const measurement = aMeasurement(observed());
  const { findings } = diagnose([repeatedStatement], measurement, usualSettings);
  const context: PlanningContext = { measurement, sql: null, sqlParser, planner: null, samples: new Map() };
  expect(await cacheStatements.plan(findings[0]!, context)).toBeNull();
  expect(await cacheStatements.explainRefusal!(findings[0]!, context)).toMatch(/no database/);
  await expect(cacheStatements.apply(alone, { sql: null, agent: null })).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
});

test('the report says what passes, and asks who else serves where a Redis was seen', () => {
  const { lasting, reservations } = cacheStatements.describe({
    ...alone,
    ownRedis: '127.0.0.1:6379',
    location: { file: 'src/who.ts', line: 7 },
  });
  expect(lasting).toContain('src/who.ts:7');
  expect(reservations!.join('\n')).toMatch(/Redis at 127\.0\.0\.1:6379/);
  expect(reservations!.join('\n')).toContain('inside of transactions');
});
