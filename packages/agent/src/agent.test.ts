import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { schemaSql } from '../test/apps/schema.ts';
import { appFile, startApp, startTarget, type Target } from '../test/target.ts';
import { socketVariable, type AgentSummary, type RouteSummary, type StatementSummary } from './protocol.ts';

/** All applications here only read. */
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(schemaSql);
});
afterAll(() => database[Symbol.asyncDispose]());

const secretSocket = '/nonexistent/anneal/socket';

function routeOf(summary: AgentSummary, route: string): RouteSummary {
  const found = summary.routes.find((candidate) => candidate.route === route);
  if (found === undefined) throw new Error(`no route ${route} among ${summary.routes.map(({ route: name }) => name).join(', ')}`);
  return found;
}

function statementOf(summary: AgentSummary, route: string, template: RegExp): StatementSummary {
  const ids = new Set(summary.statementTexts.filter((text) => template.test(text.template)).map(({ templateId }) => templateId));
  const [found, ...more] = routeOf(summary, route).statements.filter(({ templateId }) => ids.has(templateId));
  if (found === undefined || more.length > 0) throw new Error(`${more.length + 1} statements like ${template} in ${route}`);
  return found;
}

function lineOf(app: string, code: string): number {
  const lines = readFileSync(appFile(app), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(code) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`${app} holds ${JSON.stringify(code)} ${found.length} times`);
  return found[0]!;
}

async function getAll(target: Pick<Target, 'get'>, path: string, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await (await target.get(path)).text();
}

test('Express routes are named by their patterns, mounted routers included, and failures are counted', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  expect(target.hello.hooks).toEqual(expect.arrayContaining(['node:http', 'pg 8.23.1']));
  expect(target.hello).toMatchObject({ pid: target.process.pid, nodeVersion: process.version, version: 1 });
  for (const path of ['/authors/1', '/authors/2', '/shops/4/orders', '/shops/5/orders', '/shops/5/orders/failing', '/unknown/17?q=1']) {
    await getAll(target, path, 1);
  }
  const summary = await target.flush();
  const counts = summary.routes.map(({ method, route, requests, errors }) => [method, route, requests, errors]);
  expect(counts).toEqual([
    ['GET', '/authors/:id', 2, 0],
    ['GET', '/shops/:shop/orders', 2, 0],
    ['GET', '/shops/:shop/orders/failing', 1, 1],
    ['GET', '/unknown/:id', 1, 0],
  ]);
  expect(routeOf(summary, '/shops/:shop/orders')).toMatchObject({
    responseBytes: 2 * 'nested'.length,
    largestResponseBytes: 'nested'.length,
  });
  expect(routeOf(summary, '/authors/:id').durationUs.count).toBe(2);
  expect((await target.flush()).routes).toEqual([]);
});

test('a sequential loop is counted exactly, located by line, and its parameters are traced to the query before it', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  await getAll(target, '/sequential', 60);
  const summary = await target.flush();
  const list = statementOf(summary, '/sequential', /FROM posts/);
  const loop = statementOf(summary, '/sequential', /FROM authors/);
  expect(list).toMatchObject({ calls: 60, requests: 60, rows: 600, repeatingRequests: 0, parentTemplateId: null });
  expect(loop).toMatchObject({
    calls: 600,
    requests: 60,
    maxCallsPerRequest: 10,
    repeatingRequests: 60,
    repeatingCalls: 600,
    distinctParametersShare: 1,
    duplicateCalls: 0,
    overlappingShare: 0,
    parentTemplateId: list.templateId,
    rows: 600,
    errors: 0,
  });
  expect(loop.location).toMatchObject({ file: appFile('express.cjs'), line: lineOf('express.cjs', 'const author = await pool.query') });
  // Ten ids and author ids of one or two digits: what the DataRow messages hold, lengths included.
  expect(list.receivedBytes / list.requests).toBeGreaterThan(100);
  expect(routeOf(summary, '/sequential').queryMs).toBeCloseTo(list.totalMs + loop.totalMs, 6);
  const text = summary.statementTexts.find(({ templateId }) => templateId === loop.templateId);
  expect(text).toMatchObject({ template: 'SELECT name FROM authors WHERE id = $1', sample: 'SELECT name FROM authors WHERE id = $1' });
  expect(text!.parameterSets).toHaveLength(5);
});

test('under much traffic those that are opened and followed speak for the others', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  // A window of its own: an observation begins with a long row.
  await target.flush();
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 8 }, () => getAll(target, '/sequential', 100)));
  const seconds = (performance.now() - startedMs) / 1000;
  const summary = await target.flush();
  const route = routeOf(summary, '/sequential');
  // What each stands for is rounded by chance: five standard deviations of at most a half each.
  expect(Math.abs(route.requests - 800)).toBeLessThan(5 * 0.5 * Math.sqrt(800));
  expect(route.durationUs.count).toBe(route.requests);
  // 500 arrivals and statements a second, besides the first two rows of 64 requests, which learn what the traffic is.
  expect(route.followed).toBeGreaterThanOrEqual(64);
  expect(route.followed * 11).toBeLessThan(2 * 64 * 11 + 500 * (seconds + 0.5) * 1.5);
  expect(statementOf(summary, '/sequential', /FROM authors/)).toMatchObject({
    calls: 10 * route.requests,
    requests: route.requests,
    rows: 10 * route.requests,
    repeatingCalls: 10 * route.requests,
  });
  expect(statementOf(summary, '/sequential', /FROM posts/)).toMatchObject({
    calls: route.requests,
    rows: 10 * route.requests,
    repeatingCalls: 0,
  });
  const [pool] = summary.pools;
  // Checkouts are counted one by one.
  expect(pool).toMatchObject({ checkouts: 8800 });
  expect(Math.abs(pool!.heldUs.count - 8800)).toBeLessThan(8800 * 0.1);
  expect(summary.background).toEqual([]);
});

test('under much traffic nobody is charged with calls of those that wait for the same pool', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '2' });
  await target.flush();
  await Promise.all(Array.from({ length: 8 }, () => getAll(target, '/parallel', 100)));
  const summary = await target.flush();
  const route = routeOf(summary, '/parallel');
  expect(route.followed).toBeLessThan(800);
  expect(statementOf(summary, '/parallel', /FROM authors/).calls).toBe(10 * route.requests);
  expect(statementOf(summary, '/parallel', /FROM posts/).calls).toBe(route.requests);
  expect(summary.pools).toMatchObject([{ checkouts: 8800 }]);
  expect(summary.background).toEqual([]);
});

test('a parallel loop overlaps, waits for the pool, and its query time is counted once', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '2' });
  await getAll(target, '/parallel', 5);
  const summary = await target.flush();
  const loop = statementOf(summary, '/parallel', /FROM authors/);
  expect(loop).toMatchObject({ calls: 50, repeatingRequests: 5, distinctParametersShare: 1, overlappingShare: 0.9 });
  expect(loop.parentTemplateId).toBe(statementOf(summary, '/parallel', /FROM posts/).templateId);
  expect(loop.location).toMatchObject({ line: lineOf('express.cjs', 'posts.rows.map((post) => pool.query') });
  const route = routeOf(summary, '/parallel');
  expect(route.poolWaitMs).toBeGreaterThan(0);
  const [pool] = summary.pools;
  expect(summary.pools).toHaveLength(1);
  expect(pool).toMatchObject({ max: 2, checkouts: 55, peakInUse: 2, waits: 40 });
  expect(pool!.peakWaiting).toBeGreaterThanOrEqual(8);
  expect(pool!.waitUs.count).toBe(55);
  expect(pool!.heldUs.count).toBe(55);
  expect(pool!.location).toMatchObject({ file: appFile('express.cjs'), line: lineOf('express.cjs', 'new Pool({') });
  expect(pool!.name).toBe(`packages/agent/test/apps/express.cjs:${pool!.location!.line}`);
});

test('equal calls are duplicates and calls that differ in a literal are not', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  await getAll(target, '/duplicate', 30);
  const summary = await target.flush();
  const { statements } = routeOf(summary, '/duplicate');
  expect(statements.map(({ location, calls, duplicateCalls }) => [location?.line, calls, duplicateCalls])).toEqual([
    [lineOf('express.cjs', 'const first = '), 30, 0],
    [lineOf('express.cjs', 'const second = '), 30, 30],
    [lineOf('express.cjs', "'post 1'"), 30, 0],
    [lineOf('express.cjs', "'post 2'"), 30, 0],
  ]);
  const literal = summary.statementTexts.find(({ template }) => template.includes('title ='));
  expect(literal).toMatchObject({ template: 'SELECT id FROM posts WHERE title = ?', parameterSets: [] });
});

test('a connection that is held while no query runs is charged to the line that took it', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  await getAll(target, '/held', 3);
  const summary = await target.flush();
  const route = routeOf(summary, '/held');
  // Three times the 60 ms that the handler sleeps; timers may be a millisecond early.
  expect(route.heldIdleMs).toBeGreaterThan(3 * 58);
  expect(route.heldAt).toEqual([
    {
      location: expect.objectContaining({ file: appFile('express.cjs'), line: lineOf('express.cjs', 'await pool.connect()') }),
      heldIdleMs: route.heldIdleMs,
      requests: 3,
    },
  ]);
  expect(statementOf(summary, '/held', /^SELECT \?$/)).toMatchObject({ calls: 3, rows: 3 });
});

test('Fastify routes have their names even when a hook refuses the request, and serialisers are timed', async () => {
  await using target = await startTarget('fastify.mjs', { DATABASE_URL: database.url });
  await getAll(target, '/posts/4', 2);
  await getAll(target, '/posts', 1);
  await getAll(target, '/report', 1);
  await getAll(target, '/api/things/9', 1);
  expect((await target.get('/posts/5', { headers: { authorization: 'refused' } })).status).toBe(401);
  expect((await target.get('/missing/5')).status).toBe(404);
  const summary = await target.flush();
  expect(summary.hooks).toContain('fastify 5.12.8');
  expect(summary.routes.map(({ route, requests }) => [route, requests])).toEqual([
    ['/posts/:id', 3],
    ['/posts', 1],
    ['/report', 1],
    ['/api/things/:thing', 1],
    ['/missing/:id', 1],
  ]);
  expect(statementOf(summary, '/posts/:id', /FROM posts/)).toMatchObject({
    calls: 2,
    location: { file: appFile('fastify.mjs'), line: lineOf('fastify.mjs', "text: 'SELECT * FROM posts WHERE id = $1'") },
  });
  expect(statementOf(summary, '/posts', /FROM posts/)).toMatchObject({ calls: 1, rows: 100 });
  expect(routeOf(summary, '/posts').serialisationMs).toBeGreaterThan(0);
  const report = routeOf(summary, '/report');
  expect(report.longestSerialisationMs).toBeGreaterThan(1);
  // Two million one-letter strings, each with quotes and a comma, and the object around them.
  expect(report.largestResponseBytes).toBe(2_000_000 * 4 - 1 + '{"text":[]}'.length);
});

test('a Fastify route is at the line that declares it, and at none where only the start that declares it is awaited', async () => {
  await using target = await startTarget('fastify.mjs', { DATABASE_URL: database.url });
  await getAll(target, '/api/things/9', 1);
  await getAll(target, '/declared/elsewhere', 1);
  const summary = await target.flush();
  expect(routeOf(summary, '/api/things/:thing').answeredAt).toMatchObject({
    file: appFile('fastify.mjs'),
    line: lineOf('fastify.mjs', "api.get('/things/:thing'"),
  });
  expect(routeOf(summary, '/declared/elsewhere').answeredAt).toBeNull();
});

test('a profile names the function that blocks and the synchronous call it blocks in', async () => {
  await using target = await startTarget('fastify.mjs', { DATABASE_URL: database.url });
  expect(await target.ask({ type: 'start-profile' })).toMatchObject({ type: 'done' });
  for (let login = 0; login < 8; login += 1) await (await target.get('/login', { method: 'POST' })).text();
  const { profile } = await target.flush();
  const [heaviest] = profile!.functions;
  expect(heaviest).toMatchObject({
    location: { file: appFile('fastify.mjs'), line: lineOf('fastify.mjs', 'function hashPassword'), function: 'hashPassword' },
    heaviestCallee: 'scryptSync',
  });
  expect(heaviest!.blockingStretches).toBeGreaterThan(0);
  expect(heaviest!.longestStretchMs).toBeGreaterThanOrEqual(10);
  expect(heaviest!.selfMs).toBeLessThanOrEqual(profile!.sampledMs);
  expect((await target.flush()).profile).toBeNull();
});

test('a bare server gets templated paths, and a driver that is imported late is met all the same', async () => {
  await using target = await startTarget('bare.mjs', { DATABASE_URL: database.url });
  expect(target.hello.hooks).toEqual(['node:http']);
  await getAll(target, '/things/7/0b0d3f2e-6c39-4d0e-9d8f-3c1f5d1f9d11', 1);
  await getAll(target, '/things/8/0b0d3f2e-6c39-4d0e-9d8f-3c1f5d1f9d12?page=2', 1);
  await getAll(target, '/late/1', 3);
  const summary = await target.flush();
  expect(summary.hooks).toContain('pg 8.23.1');
  expect(routeOf(summary, '/things/:id/:id').requests).toBe(2);
  expect(statementOf(summary, '/late/:id', /FROM posts/)).toMatchObject({
    calls: 3,
    location: { file: appFile('bare.mjs'), line: lineOf('bare.mjs', 'await queries.pool.query') },
  });
});

test('every form of calling pg answers, fails and throws exactly as without the agent', async () => {
  await using target = await startTarget('forms.cjs', { DATABASE_URL: database.url });
  await using plain = await startApp('forms.cjs', { DATABASE_URL: database.url }, false);
  const observed: unknown = await (await target.get('/')).json();
  expect(observed).toEqual(await (await plain.get('/')).json());
  expect(observed).toMatchObject({
    unhandled: ['column "unhandled" does not exist'],
    failing: { error: { code: '42P01', fromHere: true } },
  });
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  // What was called without a callback or by one, through the pool or a client, and what failed.
  const { statements } = routeOf(summary, '/');
  const counted = (template: string) => {
    const ids = new Set(summary.statementTexts.filter((text) => text.template === template).map(({ templateId }) => templateId));
    return statements.filter(({ templateId }) => ids.has(templateId)).map(({ calls, errors, rows }) => ({ calls, errors, rows }));
  };
  expect(counted('SELECT $1::int AS n')).toEqual([{ calls: 4, errors: 0, rows: 4 }]);
  expect(counted('SELECT * FROM nowhere')).toEqual([{ calls: 1, errors: 1, rows: 0 }]);
  expect(counted('SELECT ? AS eight UNION ALL SELECT ?')).toEqual([{ calls: 1, errors: 0, rows: 2 }]);
  expect(counted('SELECT eight')).toEqual([{ calls: 1, errors: 1, rows: 0 }]);
  expect(counted('COPY (SELECT ?) TO STDOUT')).toEqual([{ calls: 1, errors: 0, rows: 0 }]);
  expect(counted('SELECT ? AS ten')).toEqual([{ calls: 1, errors: 0, rows: 1 }]);
  expect(target.output()).toBe(plain.output());
});

test('a pool is resized while callers wait, and gets its size back when the policy is revoked', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '1' });
  await getAll(target, '/held', 1);
  const [pool] = (await target.flush()).pools;
  const policy = { kind: 'pool-size', pool: pool!.name, max: 8 } as const;
  // The first policy asked for waits until the agent has a thread for policies; the callers below would not.
  expect(await target.ask({ type: 'apply-policy', policyId: 'other', policy: { ...policy, pool: 'nowhere.js:1' } })).toMatchObject({
    type: 'refused',
    reason: 'there is no pool named nowhere.js:1',
  });

  const held = Array.from({ length: 6 }, () => target.get('/held?ms=700'));
  await expect.poll(async () => (await target.flush()).pools[0]!.peakWaiting, { interval: 10 }).toBe(5);
  expect(await target.ask({ type: 'apply-policy', policyId: 'bigger', policy })).toMatchObject({ type: 'done' });
  await Promise.all(held);
  const grown = await target.flush();
  // Five callers waited for the one connection and were woken: they held theirs at the same time.
  expect(grown.pools[0]).toMatchObject({ max: 8, peakInUse: 6 });
  expect(await target.ask({ type: 'list-policies' })).toMatchObject({ ids: ['bigger'] });

  expect(await target.ask({ type: 'apply-policy', policyId: 'second', policy })).toMatchObject({
    type: 'refused',
    reason: `the pool ${pool!.name} already follows the policy bigger`,
  });
  expect(await target.ask({ type: 'apply-policy', policyId: 'none', policy: { ...policy, max: 0 } })).toMatchObject({ type: 'refused' });

  expect(await target.ask({ type: 'revoke-policy', policyId: 'bigger' })).toMatchObject({ type: 'done' });
  await Promise.all(Array.from({ length: 4 }, () => target.get('/held')));
  expect((await target.flush()).pools[0]).toMatchObject({ max: 1, peakInUse: 1 });
  expect(await target.ask({ type: 'list-policies' })).toMatchObject({ ids: [] });
});

test('when Anneal dies the pool has its size back, nothing is observed, and requests go on', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '1' });
  await getAll(target, '/held', 1);
  const [pool] = (await target.flush()).pools;
  await target.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool: pool!.name, max: 4 } });
  await target.ask({ type: 'start-profile' });
  expect(await (await target.get('/state')).json()).toEqual({ max: 4, stringifyIsNative: false });
  target.loseListener();
  await expect.poll(async () => (await target.get('/state')).json()).toEqual({ max: 1, stringifyIsNative: true });
  expect((await target.get('/sequential')).status).toBe(200);
  expect(await target.finish()).toBe(0);
  expect(target.output()).toBe('');
});

test('observation can be switched off and on while policies stay', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  await getAll(target, '/authors/1', 1);
  const [pool] = (await target.flush()).pools;
  await target.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool: pool!.name, max: 9 } });
  await target.ask({ type: 'observe', on: false });
  await getAll(target, '/authors/1', 4);
  expect((await target.flush()).routes).toEqual([]);
  await target.ask({ type: 'observe', on: true });
  await getAll(target, '/authors/1', 4);
  const summary = await target.flush();
  expect(statementOf(summary, '/authors/:id', /FROM authors/)).toMatchObject({ calls: 4, errors: 0, rows: 4 });
  expect(summary.pools[0]).toMatchObject({ max: 9 });
});

test('the runtime is described: CPU, event loop, memory', async () => {
  await using target = await startTarget('bare.mjs');
  await sleep(200);
  const { runtime, fromMs, toMs } = await target.flush();
  let ticks = runtime.eventLoopDelayUs.count;
  await expect.poll(async () => (ticks += (await target.flush()).runtime.eventLoopDelayUs.count)).toBeGreaterThan(5);
  expect(toMs).toBeGreaterThan(fromMs);
  expect(runtime.cpuMs).toBeGreaterThan(0);
  expect(runtime.eventLoopUtilizationShare).toBeGreaterThanOrEqual(0);
  expect(runtime.eventLoopUtilizationShare).toBeLessThanOrEqual(1);
  expect(runtime.residentBytes).toBeGreaterThan(runtime.heapUsedBytes);
});

test('a dead socket path leaves the application alone', async () => {
  await using app = await startApp('express.cjs', { DATABASE_URL: database.url, [socketVariable]: secretSocket });
  expect(await (await app.get('/authors/3')).json()).toEqual({ id: 3, name: 'author 3' });
  expect(await (await app.get('/state')).json()).toMatchObject({ stringifyIsNative: true });
  expect(await app.finish()).toBe(0);
  expect(app.output()).toBe('');
});

test('an application under the agent ends by itself as soon as it has nothing left to do', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  await getAll(target, '/authors/1', 1);
  expect(await target.finish()).toBe(0);
  expect(target.output()).toBe('');
});

test('a Node process that serves nothing is not disturbed: no connection, no output, no delay at its end', async () => {
  const script = "const { Worker } = require('node:worker_threads'); new Worker('0', { eval: true }); console.log('done');";
  const { NODE_OPTIONS: _, ...env } = process.env;
  const agent = new URL('./agent.ts', import.meta.url).pathname;
  const output = execFileSync(process.execPath, ['-e', script], {
    env: { ...env, NODE_OPTIONS: `--import=${agent}`, [socketVariable]: secretSocket },
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect(output).toBe('done\n');
});

test('a request that is cut off by its client is counted as an error and disturbs nothing', async () => {
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url });
  // Written before it is cut off: a client that gives up sooner has asked for nothing.
  const client = connect(target.port, '127.0.0.1');
  await once(client, 'connect');
  client.write('GET /held?ms=300 HTTP/1.1\r\nHost: shop\r\n\r\n');
  const pool = async () => (await target.get('/pool')).json();
  await expect.poll(pool, { interval: 10 }).toEqual({ connections: 1, idle: 0 });
  client.destroy();
  // Its handler runs on: the connection it holds is given back after the request was counted.
  await expect.poll(pool, { interval: 10 }).toEqual({ connections: 1, idle: 1 });
  const summary = await target.flush();
  expect(routeOf(summary, '/held')).toMatchObject({ requests: 1, errors: 1 });
  expect(routeOf(summary, '/held').heldIdleMs).toBeGreaterThan(40);
  expect(summary.problems).toEqual([]);
  target.process.kill('SIGTERM');
  await once(target.process, 'exit');
});
