import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { gathered, runsOf } from '../../../../../agent/test/gathering.ts';
import { rawRequest } from '../../../../../agent/test/raw-request.ts';
import { startApp, type App } from '../../../../../agent/test/target.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import type { Rule } from '../../../finding/finding.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime, aStatement, at, histogramOf } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { AnswerObservation, RouteObservation } from '../../../measurement/observations.ts';
import type { AgentControl } from '../../../ports/agent.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { Json, PlanningContext, Remedy } from '../../../remedy/remedy.ts';
import { identicalConcurrentRequests } from '../rules/identical-concurrent-requests.ts';
import { missingValidators } from '../rules/missing-validators.ts';
import { uncompressedResponse } from '../rules/uncompressed-response.ts';
import { coalesceRequests } from './coalesce-requests.ts';
import { compressResponses } from './compress-responses.ts';
import { tagResponses } from './tag-responses.ts';

const sqlParser = await createSqlParser();
const schema = `CREATE TABLE rates (currency text PRIMARY KEY, rate numeric);
  CREATE SEQUENCE tickets;
  CREATE FUNCTION note_visit() RETURNS int LANGUAGE sql AS 'SELECT nextval(''tickets'')::int'`;

const answers: AnswerObservation = {
  examined: 200,
  bodyBytes: 200 * 40_000,
  large: 200,
  uncompressed: 200,
  uncompressedBytes: 200 * 40_000,
  sampledBytes: 120_000,
  sampledCompressedBytes: 18_000,
  reads: 200,
  identifiedReads: 0,
  withValidator: 0,
  withCacheControl: 0,
  repeats: 0,
  equalRepeats: 0,
  equalRepeatBytes: 0,
};
const rates: RouteObservation = aRoute({
  route: '/rates',
  requests: 1_000,
  totalMs: 80_000,
  queryMs: 30_000,
  cpuMs: 1_500,
  durationUs: histogramOf([60, 950], [300, 50]),
  responseBytes: 1_000 * 40_000,
  largestResponseBytes: 40_000,
  identicalRequests: 860,
  answers,
  answeredAt: at('src/rates.ts', 12),
  statements: [aCallSite({ statementId: 'rates' })],
});

function contextWith(text: string, sql: PlanningContext['sql'], route = rates): PlanningContext {
  const measurement = aMeasurement({
    'agent.routes': [route, aRoute({ route: '/account', requests: 1_000, totalMs: 20_000 })],
    'agent.runtime': aRuntime({ cpuMs: 4_000 }),
    'agent.statements': [aStatement({ id: 'rates', text, kind: 'select' })],
  });
  return { measurement, sql, sqlParser, planner: null, samples: new Map([['rates', [{ text, values: null }]]]) };
}

async function planned(remedy: Remedy, rule: Rule, context: PlanningContext) {
  const [finding] = diagnose([rule], context.measurement, usualSettings).findings;
  if (finding === undefined) throw new Error(`${rule.id} found nothing`);
  expect(remedy.addresses).toContain(finding.ruleId);
  const plan = await remedy.plan(finding, context);
  const refusal = (await remedy.explainRefusal?.(finding, context)) ?? null;
  return { plan, refusal, prediction: plan === null ? null : await remedy.predict(plan, finding, context) };
}

describe('one run for identical requests', () => {
  test('is planned for a route that only reads, and promises less than the meetings would if all were spared', async () => {
    await using database = await createTestDatabase(schema);
    await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
    const { plan, prediction } = await planned(coalesceRequests, identicalConcurrentRequests, contextWith('SELECT * FROM rates', sql));
    // Twice the slowest of a thousand: the run under way and the one after it.
    expect(plan).toEqual({ route: '/rates', longestWaitMs: expect.closeTo(600, -1), location: { file: 'src/rates.ts', line: 12 } });
    expect(prediction).toMatchObject({ metric: 'cpu.time', model: 'queueing' });
    const { point, lower, upper } = prediction!.change;
    expect([lower, point, upper]).toEqual([lower, point, upper].toSorted((one, other) => one - other));
    // The route has 1,500 of 4,000 ms of CPU, and 86 % of its requests met another one.
    expect(lower).toBeGreaterThan((-0.86 * 1_500) / 4_000);
    expect(upper).toBeLessThan(0);
  });

  test.each([
    ['SELECT note_visit(), rate FROM rates', 'nothing shows that this only reads'],
    ['SELECT * FROM rates FOR UPDATE', 'nothing shows that this only reads'],
    ['SELECT * FROM unheard_of', 'nothing shows that this only reads'],
  ])('is refused for %s', async (text, reason) => {
    await using database = await createTestDatabase(schema);
    await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
    const { plan, refusal } = await planned(coalesceRequests, identicalConcurrentRequests, contextWith(text, sql));
    expect(plan).toBeNull();
    expect(refusal).toContain(reason);
  });

  test('is refused where nobody can be asked what a statement runs', async () => {
    const { plan, refusal } = await planned(coalesceRequests, identicalConcurrentRequests, contextWith('SELECT * FROM rates', null));
    expect(plan).toBeNull();
    expect(refusal).toBe('there is no database to ask what its statements run');
  });
});

describe('compressed answers', () => {
  test('promise the bytes that a sample of them really lost, and bear the CPU that takes', async () => {
    const context = contextWith('SELECT * FROM rates', null);
    const { plan, prediction } = await planned(compressResponses, uncompressedResponse, context);
    expect(plan).toEqual({ route: '/rates', minimumBytes: 14_600 });
    // Of the route's own answers 15 % stay, whatever else is answered.
    expect(prediction).toMatchObject({ metric: 'response.bytes:GET /rates', change: { point: expect.closeTo(-0.85, 2) } });
    const allowed = compressResponses.allowances!(plan, context.measurement);
    // 40 MB at 20 ms each, of 4,000 ms.
    expect(allowed['cpu.time']).toBeCloseTo(0.2);
    expect(allowed['latency.p95']).toBeGreaterThan(0);
    expect(allowed.errors).toBeUndefined();
  });

  test('are not planned for answers to POST', async () => {
    const { plan, refusal } = await planned(
      compressResponses,
      uncompressedResponse,
      contextWith('SELECT * FROM rates', null, { ...rates, method: 'POST' }),
    );
    expect(plan).toBeNull();
    expect(refusal).toBe('only answers to GET are compressed in flight');
  });
});

describe('tagged answers', () => {
  test('promise the bytes that were sent to those who had them, at most all and at least half of them', async () => {
    const repeats = { repeats: 120, equalRepeats: 100, equalRepeatBytes: 100 * 40_000 };
    const context = contextWith('SELECT * FROM rates', null, { ...rates, answers: { ...answers, ...repeats } });
    const { plan, prediction } = await planned(tagResponses, missingValidators, context);
    expect(plan).toEqual({ route: '/rates' });
    expect(prediction).toMatchObject({ metric: 'response.bytes:GET /rates', change: { point: expect.closeTo(-0.5, 2) } });
    expect(prediction!.change.upper).toBeCloseTo(prediction!.change.point / 2);
    expect(prediction!.change.lower).toBeLessThan(prediction!.change.point);
  });
});

describe('through a real agent', () => {
  const stack = new AsyncDisposableStack();
  let app: App;
  let agent: AgentControl;
  beforeAll(async () => {
    const listener = stack.use(await createAgents().listen());
    app = stack.use(await startApp('answers.mjs', { FRAMEWORK: 'fastify', ANNEAL_SOCKET: listener.socketPath }));
    agent = await listener.connected(20_000);
  });
  afterAll(() => stack.disposeAsync());

  const cases: readonly [Remedy, Json, () => Promise<unknown>][] = [
    [
      compressResponses,
      { route: '/big', minimumBytes: 1_000 },
      async () => (await rawRequest(app.port, '/big', { headers: { 'accept-encoding': 'br' } })).headers['content-encoding'] ?? 'identity',
    ],
    [tagResponses, { route: '/varied' }, async () => (await rawRequest(app.port, '/varied', { headers: { 'if-none-match': '*' } })).status],
    [
      coalesceRequests,
      { route: '/slow', longestWaitMs: 5_000, location: null },
      async () => {
        const before = await runsOf(app, '/slow');
        await gathered(
          app,
          '/slow',
          Array.from({ length: 3 }, () => () => rawRequest(app.port, '/slow')),
        );
        return (await runsOf(app, '/slow')) - before;
      },
    ],
  ];
  test.each(cases)('%o holds the law of remedies', async (remedy, plan, observe) => {
    await remedyConformance({ remedy, plan, context: { sql: null, agent }, observe });
    await remedy.apply(plan, { sql: null, agent });
    expect(await agent.policies()).toEqual([remedy.toggles!(plan)]);
    await remedy.revert(plan, { sql: null, agent });
  });

  test.each(cases)('%o without an agent is absent, cannot be applied and has nothing to revert', async (remedy, plan) => {
    const none = { sql: null, agent: null };
    expect(await remedy.inspect(plan, none)).toBe('absent');
    await expect(remedy.revert(plan, none)).resolves.toBeUndefined();
    await expect(remedy.apply(plan, none)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
  });
});
