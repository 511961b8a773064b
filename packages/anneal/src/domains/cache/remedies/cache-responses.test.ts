import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countersSql } from '../../../../../agent/test/counters.ts';
import { hasRedisServer, startRedisServer } from '../../../../../agent/test/redis-server.ts';
import { startObservedApp } from '../../../../../../test/support/observed-app.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import { createChangeStreams } from '../../../adapters/change-stream.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../adapters/embedded-postgres.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { diagnose } from '../../../finding/diagnose.ts';
import { aMeasurement, aRoute, aRuntime, repeatedAnswers } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import { aProbeContext } from '../../../measurement/fixtures/probe-context.ts';
import { agentProbe } from '../../../measurement/agent-probe.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { aLoadResult, aStepResult } from '../../../workload/fixtures/load-results.ts';
import { ArmChanges } from '../../../trial/arm-changes.ts';
import { repeatedResponse } from '../rules/repeated-response.ts';
import { cacheResponses, type CacheResponsesPlan } from './cache-responses.ts';

const sqlParser = await createSqlParser();

describe('from the measurement to the policy and back', () => {
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(countersSql);
    await client.end();
  });
  afterAll(() => server.stop());

  test.each([
    ['one process', false],
    ['processes that share a Redis', true],
  ])('answers of %s that repeat are found, kept while the policy is in force, and made anew when it is gone', async (_name, isShared) => {
    if (isShared && !hasRedisServer()) return;
    await using redis = isShared ? await startRedisServer() : null;
    const sharedCache = redis === null ? null : { host: '127.0.0.1', port: Number(new URL(redis.url).port) };
    const agents = createAgents();
    await using listener = await agents.listen();
    const app = await startObservedApp('counters.cjs', server.url, agents, listener);
    const url = `${app.url}/counters/1`;
    const { agent } = app;
    const get = async () => (await fetch(url)).json();
    await using sql = await createDatabases().connect(server.url, { applicationName: 'anneal test', readOnly: true });
    const changes = new ArmChanges(createChangeStreams(), server.url);
    try {
      const window = await agentProbe.open(await aProbeContext({ agent, sqlParser, targetPid: app.pid }));
      // The profile looks a hundred times a second of the process's time: the route has to be met by it.
      for (const until = performance.now() + 3_000; performance.now() < until;) await get();
      await fetch(`${url}?form=autocommit`, { method: 'POST' });
      const { observations, samples } = await window.close();
      const measurement = aMeasurement({ ...observations, load: aLoadResult({ steps: [aStepResult({ name: 'GET /counters/{id}' })] }) });
      const { findings } = diagnose([repeatedResponse], measurement, usualSettings);
      expect(findings).toHaveLength(1);
      const context: PlanningContext = {
        measurement,
        sql,
        sqlParser,
        planner: null,
        samples: samples ?? new Map(),
        ...(sharedCache === null ? {} : { sharedCache }),
      };
      expect(await cacheResponses.explainRefusal!(findings[0]!, context)).toBeNull();
      const elsewhere = aMeasurement({ ...observations, 'agent.runtime': aRuntime({ hooks: ['pg 8.23.1', 'postgres 3.4.9'] }) });
      expect(await cacheResponses.plan(findings[0]!, { ...context, measurement: elsewhere })).toBeNull();
      expect(await cacheResponses.explainRefusal!(findings[0]!, { ...context, measurement: elsewhere })).toContain(
        'postgres 3.4.9 is loaded beside',
      );
      const plan = (await cacheResponses.plan(findings[0]!, context)) as CacheResponsesPlan;
      expect(plan).toMatchObject({ route: '/counters/:id', shared: sharedCache, ownRedis: null, ignoredHeaders: [] });
      const sameForEveryone = new Map([['/counters/:id', ['authorization']]]);
      const told = await cacheResponses.plan(findings[0]!, { ...context, sameForEveryone });
      expect(told).toEqual({ ...plan, ignoredHeaders: ['authorization'] });
      expect(JSON.stringify(plan)).not.toContain(new URL(server.url).password);
      const prediction = await cacheResponses.predict(plan, findings[0]!, context);
      expect(prediction).toMatchObject({ metric: 'cpu.time', model: 'queueing' });
      expect(prediction.change.lower).toBeLessThanOrEqual(prediction.change.point);
      // What a kept answer spares of one as cheap as this depends on the processor, and on what the profile met.
      expect(prediction.change.point).toBeLessThanOrEqual(0);

      /** Whether fewer requests reach the application than are sent. */
      const observe = async () => {
        await sleep(200);
        await agent.flush();
        for (let time = 0; time < 10; time += 1) await get();
        const { routes } = await agent.flush();
        return (routes.find(({ route }) => route === '/counters/:id')?.requests ?? 0) < 10;
      };
      await remedyConformance({ remedy: cacheResponses, plan, context: { sql, agent, changes: changes.follow }, observe });
      const { rows } = await sql.query('SELECT slot_name FROM pg_replication_slots');
      expect(rows).toEqual([]);
      if (redis === null) return;
      // What it kept there says who is in force (nobody any more) and goes by itself.
      const client = new Redis(redis.url);
      const [key = '', ...others] = await client.keys('*');
      expect(others).toEqual([]);
      expect(key).toMatch(/^anneal:\{.+\}:generations$/);
      expect(await client.hget(key, 'members')).toBe('{}');
      expect(await client.pttl(key)).toBeGreaterThan(0);
      client.disconnect();
    } finally {
      await changes.close();
      await app.stop();
    }
  });
});

const alone: CacheResponsesPlan = {
  route: '/counters/:id',
  statements: [],
  location: null,
  shared: null,
  ownRedis: null,
  ignoredHeaders: [],
};

test('that answers are given to everybody is the first thing a report says of it, and is said of no other', () => {
  const [first] = cacheResponses.describe({ ...alone, ignoredHeaders: ['authorization', 'cookie'] }).reservations!;
  expect(first).toMatch(/^The configuration says.*whatever authorization and cookie say.*would have refused/);
  expect(cacheResponses.describe(alone).reservations!.join()).not.toContain('The configuration says');
});

test('where the backend was seen to talk to Redis, and nobody said who shares it, the report asks; an address is never guessed', () => {
  const reservations = (plan: CacheResponsesPlan) => cacheResponses.describe(plan).reservations!.join('\n');
  expect(reservations({ ...alone, ownRedis: '127.0.0.1:6379' })).toMatch(/Redis at 127\.0\.0\.1:6379.*`cache\.redisUrl`/);
  expect(reservations(alone)).not.toContain('Redis');
  const shared = { ...alone, shared: { host: 'cache.local', port: 6380 } };
  expect(reservations(shared)).toContain('Redis at cache.local:6380');
  expect(cacheResponses.describe(shared).lasting).toContain('Redis');
});

test('the prediction is what kept answers spare of the CPU, less what keeping takes, and less again where Redis is asked', async () => {
  const route = aRoute({ route: '/counters/:id', requests: 1_000, cpuMs: 1_000, answers: repeatedAnswers(1_000, 950, 900) });
  const load = aLoadResult({ steps: [aStepResult({ name: 'GET /counters/{id}' })] });
  const measurement = aMeasurement({ 'agent.routes': [route], 'agent.runtime': aRuntime({ cpuMs: 2_000 }), 'agent.statements': [], load });
  const finding = diagnose([repeatedResponse], measurement, usualSettings).findings[0]!;
  const context = { measurement, sql: null, sqlParser, planner: null, samples: new Map() };
  const { change } = await cacheResponses.predict(alone, finding, context);
  // Nine of ten answers are equal to one before, each of which takes 1 ms: at most 45 % of all CPU.
  expect(change.point).toBeGreaterThan(-0.45);
  expect(change.point).toBeLessThan(-0.4);
  expect(change.lower).toBeLessThanOrEqual(change.point);
  expect(change.upper).toBeGreaterThan(change.point);
  const shared = await cacheResponses.predict({ ...alone, shared: { host: 'cache.local', port: 6380 } }, finding, context);
  expect(shared.change.point).toBeGreaterThan(change.point);
  expect(shared.change.point).toBeLessThan(-0.35);
});

test('without the agent, or without the log, nothing is applied', async () => {
  const plan = alone;
  const none = { sql: null, agent: null };
  expect(await cacheResponses.inspect(plan, none)).toBe('absent');
  await expect(cacheResponses.revert(plan, none)).resolves.toBeUndefined();
  await expect(cacheResponses.apply(plan, none)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
});
