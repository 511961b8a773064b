import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { simulatePool } from '../fixtures/simulate-pool.ts';
import { poolTooSmall } from '../rules/pool-too-small.ts';
import { resizePool, type ResizePoolPlan } from './resize-pool.ts';

const windowMs = 30_000;
const traffic = { requestsPerSecond: 300, burst: 1, meanHoldMs: 8, windowMs, seed: 21 };
const pool = simulatePool(3, traffic);
const sqlParser = await createSqlParser();

function context(observations: Partial<Observations> = {}): PlanningContext {
  const measurement = aMeasurement({
    'agent.pools': [pool],
    'agent.routes': [
      aRoute({
        route: '/ledger',
        requests: 9_000,
        totalMs: 200_000,
        queryMs: 72_000,
        poolWaitMs: pool.waitMs,
        statements: [aCallSite({ statementId: 'a' })],
      }),
      aRoute({ route: '/health', requests: 100, totalMs: 100 }),
    ],
    'agent.runtime': aRuntime({ windowMs }),
    'postgres.settings': { max_connections: '100', superuser_reserved_connections: '3' },
    ...observations,
  });
  return { measurement, sql: null, sqlParser, planner: null, samples: new Map() };
}
const findingIn = ({ measurement }: PlanningContext) => diagnose([poolTooSmall], measurement, usualSettings).findings[0]!;
async function planIn(given = context()): Promise<ResizePoolPlan> {
  const plan = await resizePool.plan(findingIn(given), given);
  if (plan === null) throw new Error('the remedy refused');
  return plan as ResizePoolPlan;
}

describe('the plan', () => {
  test('names the pool, the size that the finding computed, and where it is written', async () => {
    const plan = await planIn();
    expect(plan).toEqual({
      pool: 'main',
      max: Number(findingIn(context()).proposal.code!.slice(5)),
      previousMax: 3,
      location: { file: 'src/database.ts', line: 7 },
    });
    expect(resizePool.describe(plan).lasting).toContain(`Write \`max: ${plan.max}\` at src/database.ts:7`);
    expect((await resizePool.cost(plan, { sql: null, agent: null })).connections).toBe(plan.max - 3);
  });

  test.each<[string, Partial<Observations>]>([
    [
      'would not take the old and the new process at once',
      { 'postgres.settings': { max_connections: '14', superuser_reserved_connections: '3', reserved_connections: '2' } },
    ],
    ['does not say what it takes', { 'postgres.settings': {} }],
  ])('is refused where the server %s', async (_name, observations) => {
    const given = context(observations);
    expect(await resizePool.plan(findingIn(given), given)).toBeNull();
  });

  test('touches the routes that query, and no statement', async () => {
    const given = context();
    expect(resizePool.touches(await planIn(given), given.measurement)).toEqual({
      statementIds: [],
      routes: ['GET /ledger'],
      writtenTables: [],
    });
  });
});

describe('the prediction', () => {
  const actualChange = (size: number) => simulatePool(size, traffic).waitMs / pool.waitMs - 1;

  test('of the wait holds what a first-come-first-served pool of that size does with the same traffic', async () => {
    const given = context();
    const plan = await planIn(given);
    const prediction = await resizePool.predict(plan, findingIn(given), given);
    expect(prediction).toMatchObject({ metric: 'pool.wait', model: 'queueing', change: { confidenceLevel: 0.95 } });
    expect(actualChange(plan.max)).toBeGreaterThanOrEqual(prediction.change.lower - 0.02);
    expect(actualChange(plan.max)).toBeLessThanOrEqual(prediction.change.upper + 0.02);
    expect(prediction.assumptions.join(' ')).toContain('do not slow the database down');
  });

  test('leaves the wait for other pools as it is', async () => {
    const given = context({ 'agent.pools': [pool, { ...pool, name: 'reports' }] });
    const plan = await planIn();
    const alone = await resizePool.predict(plan, findingIn(context()), context());
    expect((await resizePool.predict(plan, findingIn(context()), given)).change.point).toBeCloseTo(alone.change.point / 2);
  });
});

test('applied to a real pool through a real agent it holds the law of remedies', async () => {
  await using database = await createTestDatabase();
  await using listener = await createAgents().listen();
  const child = fork(join(import.meta.dirname, '../fixtures/pool-process.ts'), {
    execArgv: ['--conditions=@anneal/source', '--import', createAgents().importSpecifier],
    env: { ...process.env, ANNEAL_SOCKET: listener.socketPath, DATABASE_URL: database.url },
  });
  try {
    const [agent, [address]] = await Promise.all([listener.connected(20_000), once(child, 'message') as Promise<[AddressInfo]>]);
    const [made] = (await agent.flush()).pools;
    const observe = async () => (await fetch(`http://127.0.0.1:${address.port}`)).text();
    expect(await observe()).toBe('3');
    const plan: ResizePoolPlan = { pool: made!.name, max: 9, previousMax: 3, location: null };
    await remedyConformance({ remedy: resizePool, plan, context: { sql: null, agent }, observe });
    await resizePool.apply(plan, { sql: null, agent });
    expect(await observe()).toBe('9');
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test('without the agent it is absent, cannot be applied and has nothing to revert', async () => {
  const plan: ResizePoolPlan = { pool: 'main', max: 9, previousMax: 3, location: null };
  const none = { sql: null, agent: null };
  expect(await resizePool.inspect(plan, none)).toBe('absent');
  await expect(resizePool.revert(plan, none)).resolves.toBeUndefined();
  await expect(resizePool.apply(plan, none)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
});
