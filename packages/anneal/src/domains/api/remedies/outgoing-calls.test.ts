import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import { aMeasurement, anOutgoing, aRoute, aRuntime, at, histogramOf } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import { percent } from '../../../finding/wording.ts';
import type { Rule } from '../../../finding/finding.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { outgoingWithoutKeepAlive } from '../rules/outgoing-without-keep-alive.ts';
import { outgoingWithoutTimeout } from '../rules/outgoing-without-timeout.ts';
import { keepOutgoingConnections, type KeepOutgoingConnectionsPlan } from './keep-outgoing-connections.ts';
import { limitOutgoingCalls, type LimitOutgoingCallsPlan } from './limit-outgoing-calls.ts';

const sqlParser = await createSqlParser();

/** 3,000 requests of 12 ms, one of 60 ms, each asking the warehouse once. */
function context(outgoing: Partial<OutgoingObservation>, requests = 3_000): PlanningContext {
  const measurement = aMeasurement({
    'agent.routes': [
      aRoute({
        route: '/stock/:sku',
        requests,
        totalMs: requests * 12,
        outgoingMs: requests * 8,
        durationUs: histogramOf([12, requests - 5], [60, 5]),
        outgoing: [
          anOutgoing(
            { requests, perRequest: 1, meanMs: 8 },
            { peer: 'wms:8080', operation: 'GET /stock/:id', location: at('src/stock.ts', 44, 'inStock'), ...outgoing },
          ),
        ],
      }),
      aRoute({ route: '/catalogue', requests: 1_000, totalMs: 4_000 }),
    ],
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 6_000 }),
  });
  return { measurement, sql: null, sqlParser, planner: null, samples: new Map() };
}

const findingOf = (rule: Rule, { measurement }: PlanningContext) => diagnose([rule], measurement, usualSettings).findings[0]!;

describe('connections are kept', () => {
  const opening = { connectionsOpened: 3_000, connectionsReused: 0, connectMs: 6_000 };

  test('to the peer of the finding, with a prediction of how much less connecting takes, and of what that is to the requests', async () => {
    const given = context(opening);
    const finding = findingOf(outgoingWithoutKeepAlive, given);
    const plan = (await keepOutgoingConnections.plan(finding, given)) as KeepOutgoingConnectionsPlan;
    expect(plan).toEqual({ peers: ['wms:8080'], routes: ['GET /stock/:sku'], location: { file: 'src/stock.ts', line: 44 } });
    const { metric, change, assumptions } = await keepOutgoingConnections.predict(plan, finding, given);
    expect(metric).toBe('connect.time:GET /stock/:sku');
    // A hundred calls a second: no connection is idle for four of them.
    expect(change.point).toBeCloseTo(-1);
    expect(change.upper).toBeCloseTo(-0.5);
    expect(assumptions.at(-1)).toContain(`for ${percent(6_000 / (3_000 * 12))} of their time`);
    expect(keepOutgoingConnections.describe(plan).lasting).toContain('at src/stock.ts:44');
    expect(keepOutgoingConnections.touches(plan, given.measurement).routes).toEqual(['GET /stock/:sku']);
    expect(await keepOutgoingConnections.explainRefusal?.(finding, given)).toBeNull();
  });

  test('of calls side by side no more than the request waits for any of them', async () => {
    // Three calls of 8 ms at once, each with a connection of 2 ms: their request waits 8 ms for them and not 24.
    const given = context({ ...opening, calls: 9_000, totalMs: 9_000 * 8, connectionsOpened: 9_000, connectMs: 18_000 });
    const finding = findingOf(outgoingWithoutKeepAlive, given);
    const plan = (await keepOutgoingConnections.plan(finding, given)) as KeepOutgoingConnectionsPlan;
    expect((await keepOutgoingConnections.predict(plan, finding, given)).assumptions.at(-1)).toContain(
      `for ${percent(2 / 12)} of their time`,
    );
  });

  test('and is predicted less of where they are made elsewhere too, or come as far apart as a connection is kept', async () => {
    const changeOf = async (given: PlanningContext) => {
      const finding = findingOf(outgoingWithoutKeepAlive, given);
      const plan = (await keepOutgoingConnections.plan(finding, given)) as KeepOutgoingConnectionsPlan;
      return (await keepOutgoingConnections.predict(plan, finding, given)).change;
    };
    // Eight requests in 30 s: a third of the pauses between them are longer than 4 s.
    const seldom = await changeOf(context({ calls: 8, connectionsOpened: 8, connectionsReused: 0, connectMs: 4_000 }, 8));
    expect(seldom.point).toBeCloseTo(-(1 - Math.exp(-(8 / 30) * 4)));
    expect(seldom.lower).toBe(-1);
    const [route, ...others] = context(opening).measurement.observations['agent.routes']!;
    const elsewhere = anOutgoing(
      { requests: 3_000, perRequest: 1, meanMs: 8 },
      {
        peer: 'tax:8080',
        operation: 'GET /rate',
        location: at('src/tax.ts', 9, 'rate'),
        connectionsOpened: 2_000,
        connectionsReused: 4_000,
        connectMs: 6_000,
      },
    );
    const given = context(opening);
    const routes = [{ ...route!, outgoing: [...route!.outgoing, elsewhere] }, ...others];
    const measurement = { ...given.measurement, observations: { ...given.measurement.observations, 'agent.routes': routes } };
    expect((await changeOf({ ...given, measurement })).point).toBeCloseTo(-0.5);
  });

  test('at any port, where the peer was given one for this run alone', async () => {
    const peersOf = async (peer: string) => {
      const given = context({ ...opening, peer });
      return ((await keepOutgoingConnections.plan(findingOf(outgoingWithoutKeepAlive, given), given)) as KeepOutgoingConnectionsPlan).peers;
    };
    expect(await peersOf('127.0.0.1:40123')).toEqual(['127.0.0.1:*']);
    expect(await peersOf('localhost:51000')).toEqual(['localhost:*']);
    expect(await peersOf('[::1]:32768')).toEqual(['[::1]:*']);
    // Somebody chose these.
    for (const peer of ['127.0.0.1:8080', 'billing:50051', '127.0.0.1']) expect(await peersOf(peer)).toEqual([peer]);
  });

  test('not where it is the peer that closes them', async () => {
    const given = context({ ...opening, keepAliveRefused: 2_900 });
    const finding = findingOf(outgoingWithoutKeepAlive, given);
    expect(await keepOutgoingConnections.plan(finding, given)).toBeNull();
    expect(await keepOutgoingConnections.explainRefusal?.(finding, given)).toContain('the peer closes the connections');
  });
});

describe('calls are limited', () => {
  test('to three times what the slowest requests of a thousand take, and a lost packet more', async () => {
    const given = context({ withoutTimeout: 3_000 });
    const finding = findingOf(outgoingWithoutTimeout, given);
    const plan = (await limitOutgoingCalls.plan(finding, given)) as LimitOutgoingCallsPlan;
    // Five of 3,000 took 60 ms, which a histogram knows to 0.8 %.
    expect(plan.timeoutMs).toBeGreaterThanOrEqual(1_060 - 1);
    expect(plan.timeoutMs).toBeLessThanOrEqual(1_060 + 1);
    expect(plan.peers).toEqual(['wms:8080']);
    expect(await limitOutgoingCalls.predict(plan, finding, given)).toMatchObject({ change: { point: 0 } });
    expect(limitOutgoingCalls.describe(plan).lasting).toContain(`AbortSignal.timeout(${plan.timeoutMs})`);
  });

  test('not where too few requests were seen to know the slowest', async () => {
    const given = context({ withoutTimeout: 900 }, 900);
    const finding = findingOf(outgoingWithoutTimeout, given);
    expect(await limitOutgoingCalls.plan(finding, given)).toBeNull();
    expect(await limitOutgoingCalls.explainRefusal?.(finding, given)).toContain('900 requests do not show');
  });
});

test('applied to real calls through a real agent both hold the law of remedies', async () => {
  await using listener = await createAgents().listen();
  const child = fork(join(import.meta.dirname, '../fixtures/outgoing-process.ts'), {
    execArgv: ['--conditions=@anneal/source', '--import', createAgents().importSpecifier],
    env: { ...process.env, ANNEAL_SOCKET: listener.socketPath },
  });
  try {
    const [agent, [address]] = await Promise.all([listener.connected(20_000), once(child, 'message') as Promise<[AddressInfo]>]);
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${address.port}${path}`)).text();
    const peers = [await get('/peer')];
    expect([await get('/opened'), await get('/slow')]).toEqual(['3', 'answer']);

    const keeping: KeepOutgoingConnectionsPlan = { peers, routes: [], location: null };
    await remedyConformance({
      remedy: keepOutgoingConnections,
      plan: keeping,
      context: { sql: null, agent },
      observe: () => get('/opened'),
    });
    await keepOutgoingConnections.apply(keeping, { sql: null, agent });
    expect(await get('/opened')).toBe('1');
    expect(await get('/opened')).toBe('0');

    const limiting: LimitOutgoingCallsPlan = { peers, timeoutMs: 50, routes: [], location: null };
    await remedyConformance({ remedy: limitOutgoingCalls, plan: limiting, context: { sql: null, agent }, observe: () => get('/slow') });
    await limitOutgoingCalls.apply(limiting, { sql: null, agent });
    expect(await get('/slow')).toBe('TimeoutError');
    expect((await agent.flush()).problems).toEqual([]);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test.each([
  [keepOutgoingConnections, { peers: ['a:1'], routes: [], location: null }],
  [limitOutgoingCalls, { peers: ['a:1'], timeoutMs: 100, routes: [], location: null }],
] as const)('without the agent %o is absent, cannot be applied and has nothing to revert', async (remedy, plan) => {
  const none = { sql: null, agent: null };
  expect(await remedy.inspect(plan, none)).toBe('absent');
  await expect(remedy.revert(plan, none)).resolves.toBeUndefined();
  await expect(remedy.apply(plan, none)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
});
