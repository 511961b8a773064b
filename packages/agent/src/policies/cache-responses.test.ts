import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import { cacheCounters, countersKnowledge, countersSql } from '../../test/counters.ts';
import { hostileTraffic, writerThrough } from '../../test/hostile-traffic.ts';
import { hasRedisServer, startRedisServer } from '../../test/redis-server.ts';
import { startTarget, type Target } from '../../test/target.ts';
import type { Policy } from '../protocol.ts';

const thorough = process.env['ANNEAL_THOROUGH'] !== undefined;
const reads = thorough ? 16_000 : 1_500;

/** `make test-cache` is there for the figures. */
function tell(form: string, figures: Readonly<Record<string, number>>): void {
  if (thorough) process.stderr.write(`${form}: ${JSON.stringify(figures)}\n`);
}

async function putInForce(target: Target, policy: Policy): Promise<void> {
  expect(await target.ask({ type: 'apply-policy', policyId: 'cache', policy })).toMatchObject({ type: 'done' });
}

async function figuresOf(target: Target): Promise<Readonly<Record<string, number>>> {
  const { policies, problems } = await target.flush();
  if (policies[0] === undefined) throw new Error(`the policy has ended: ${problems.join('; ')}`);
  return policies[0].figures;
}

const truthIn = (database: TestDatabase) => async (counter: number) => {
  const { rows } = await database.client.query<{ value: number }>('SELECT value FROM counters WHERE id = $1', [counter + 1]);
  return rows[0]!.value;
};

/** Reads and writes of five counters through all of the ports. */
function traffic(
  ports: readonly number[],
  database: TestDatabase,
  path: (counter: number) => string = (counter) => `/counters/${counter + 1}`,
) {
  return hostileTraffic({
    ports,
    counters: 5,
    reads,
    readers: 8,
    writers: [writerThrough(ports), writerThrough(ports), writerThrough(ports)],
    path,
    truth: truthIn(database),
  });
}

describe('hostile traffic', () => {
  const forms: readonly (readonly [string, (counter: number) => string])[] = [
    ['callbacks', (counter) => `/callbacks/${counter + 1}`],
    ['one statement and a key', (counter) => `/counters/${counter + 1}`],
    ['transactions of their own', (counter) => `/transactions/counters/${counter + 1}`],
  ];

  test.each(thorough ? forms : forms.slice(0, 2))(
    'with transactions, rollbacks and single writes finds no stale answer, read by %s',
    async (form, path) => {
      await using database = await createTestDatabase(countersSql);
      await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url, POOL_MAX: '4' });
      await putInForce(target, cacheCounters(countersKnowledge(database.url)));
      const ports = [target.port];
      const found = await traffic(ports, database, path);
      const figures = await figuresOf(target);
      tell(form, { ...found, hitShare: Number((figures['hits']! / found.reads).toFixed(2)), ...figures });
      expect(found).toMatchObject({ notReadYourWrites: 0, newThenOld: 0, staleAtRest: 0 });
      expect(found.reads).toBeGreaterThanOrEqual(reads);
      expect(figures['hits']! / found.reads).toBeGreaterThan(0.2);
      expect(figures['comparisons']).toBeGreaterThan(0);
    },
  );

  test('finds none either where a share of the requests is answered from memory: what the others write reaches it', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const policy = cacheCounters(countersKnowledge(database.url));
    expect(await target.ask({ type: 'apply-policy', policyId: 'cache', policy, share: 0.5 })).toMatchObject({ type: 'done' });
    const ports = [target.port];
    const found = await traffic(ports, database);
    const { hits, misses, waited } = await figuresOf(target);
    tell('half of the requests', { ...found, hits: hits!, misses: misses! });
    expect(found).toMatchObject({ notReadYourWrites: 0, newThenOld: 0, staleAtRest: 0 });
    // Half of the reads, within five standard deviations; one that waited is among the hits, the misses or neither.
    const spread = 5 * Math.sqrt(found.reads / 4);
    expect(hits! + misses!).toBeLessThan(found.reads / 2 + spread);
    expect(hits! + misses! + waited!).toBeGreaterThan(found.reads / 2 - spread);
  });

  test('does find the stale answers of a cache that deletes what it keeps where it writes', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url, NAIVE: '1' });
    const ports = [target.port];
    const found = await traffic(ports, database);
    tell('a naive cache', { ...found });
    expect(found.notReadYourWrites).toBeGreaterThan(found.reads / 100);
  });
});

describe.skipIf(!hasRedisServer())('several processes that share a Redis', () => {
  test('find no stale answer of each other', async () => {
    await using database = await createTestDatabase(countersSql);
    await using redis = await startRedisServer();
    await using one = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await using other = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const targets = [one, other];
    const place = placeAt(redis.url, 2);
    // What one of them says arrives late: only what it said before its commits protects the other.
    await using way = await startWay(place.port, 8);
    for (const [target, port] of [
      [one, place.port],
      [other, way.port],
    ] as const) {
      await putInForce(target, cacheCounters(countersKnowledge(database.url, { shared: { ...place, port } })));
    }
    for (const target of targets) {
      const hits = async () => {
        await (await target.get('/counters/1')).text();
        return (await figuresOf(target))['hits'];
      };
      await expect.poll(hits).toBeGreaterThan(0);
    }
    const ports = targets.map(({ port }) => port);
    const found = await traffic(ports, database);
    const figures = await Promise.all(targets.map(figuresOf));
    const hits = figures.reduce((sum, { hits: own }) => sum + own!, 0);
    tell('two processes', { ...found, hitShare: Number((hits / found.reads).toFixed(2)) });
    expect(found).toMatchObject({ notReadYourWrites: 0, newThenOld: 0, staleAtRest: 0 });
    expect(hits / found.reads).toBeGreaterThan(0.2);
  });

  test('serve nothing from memory while one of them is missing, or Redis is, and begin anew when it is back', async () => {
    await using database = await createTestDatabase(countersSql);
    const redis = await startRedisServer();
    await using one = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await using other = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const policy = cacheCounters(countersKnowledge(database.url, { shared: placeAt(redis.url, 2) }));
    const value = async (target: Target) => ((await (await target.get('/counters/1')).json()) as { value: number }).value;
    const write = async (target: Target) => (await target.get('/counters/1?form=autocommit', { method: 'POST' })).text();
    try {
      await putInForce(one, policy);
      await sleep(300);
      for (let time = 0; time < 3; time += 1) await value(one);
      expect(await figuresOf(one)).toMatchObject({ hits: 0, bypasses: 3 });

      await putInForce(other, policy);
      const hits = async () => {
        await value(one);
        return (await figuresOf(one))['hits'];
      };
      await expect.poll(hits, { timeout: 10_000 }).toBeGreaterThan(0);
      await write(other);
      expect(await value(one)).toBe(1);

      // Its socket goes, and with it the policy: from now on nobody hears of its writes.
      other.loseListener();
      const bypasses = async () => {
        await value(one);
        return (await figuresOf(one))['bypasses'];
      };
      await expect.poll(bypasses).toBe(1);
      await write(other);
      expect([await value(one), await value(other)]).toEqual([2, 2]);
      expect(await figuresOf(one)).toMatchObject({ bypasses: 1 });
    } finally {
      await redis[Symbol.asyncDispose]();
    }
    for (let time = 0; time < 3; time += 1) expect(await value(one)).toBe(2);
    expect(await figuresOf(one)).toMatchObject({ hits: 0, keptAnswers: 0 });
    await write(one);
    expect(await value(one)).toBe(3);
  });

  test('that loses Redis alone holds its first write back until the others serve nothing either', async () => {
    await using database = await createTestDatabase(countersSql);
    await using redis = await startRedisServer();
    await using one = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await using other = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await using way = await startWay(Number(new URL(redis.url).port));
    await putInForce(one, cacheCounters(countersKnowledge(database.url, { shared: placeAt(redis.url, 2) })));
    const scope = placeAt(redis.url, 2);
    await putInForce(other, cacheCounters(countersKnowledge(database.url, { shared: { ...scope, port: way.port } })));
    const value = async () => ((await (await one.get('/counters/1')).json()) as { value: number }).value;
    const hits = async () => {
      await value();
      return (await figuresOf(one))['hits'];
    };
    await expect.poll(hits, { timeout: 10_000 }).toBeGreaterThan(0);
    way.close();
    const told = { value: 0, checks: 0 };
    const write = async () => {
      const answer = await other.get('/counters/1?form=autocommit', { method: 'POST' });
      told.value = ((await answer.json()) as { value: number }).value;
    };
    const check = async () => {
      for (let after = 0; after < 20; after += told.value) {
        const least = told.value;
        expect(await value()).toBeGreaterThanOrEqual(least);
        told.checks += 1;
      }
    };
    await Promise.all([write(), check()]);
    expect(told.checks).toBeGreaterThan(20);
    expect(await value()).toBe(1);
  });
});

describe.skipIf(!hasRedisServer())('a process that comes and goes', () => {
  test('with writes under way leaves no mark of them behind, and serves again each time', async () => {
    await using database = await createTestDatabase(countersSql);
    await using redis = await startRedisServer();
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const client = new Redis(redis.url);
    await putInForce(target, cacheCounters(countersKnowledge(database.url, { shared: placeAt(redis.url, 1) })));
    const value = async () => ((await (await target.get('/counters/1')).json()) as { value: number }).value;
    const hits = async () => {
      await value();
      return (await figuresOf(target))['hits'];
    };
    const told = { value: 0, writing: true };
    const write = async () => {
      while (told.writing) {
        const answer = await target.get('/counters/1', { method: 'POST' });
        if (answer.ok) told.value = Math.max(told.value, ((await answer.json()) as { value: number }).value);
      }
    };
    const writers = [write(), write(), write()];
    for (let round = 0; round < 8; round += 1) {
      await target.ask({ type: 'switch-policy', policyId: 'cache', on: false });
      await sleep(20);
      await target.ask({ type: 'switch-policy', policyId: 'cache', on: true });
      await sleep(60);
      const least = told.value;
      expect(await value()).toBeGreaterThanOrEqual(least);
    }
    // The other way to go: the connection is lost, and Redis remembers what was said over it.
    await client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await sleep(100);
    told.writing = false;
    await Promise.all(writers);
    await expect.poll(hits, { timeout: 10_000 }).toBeGreaterThan(0);
    const fields = await client.hkeys('anneal:{test}:generations');
    expect(fields.filter((field) => /^[cm]:/.test(field))).toEqual([]);
    expect(fields).toContain('members');
    client.disconnect();
  });
});

function placeAt(url: string, processes: number) {
  return { host: '127.0.0.1', port: Number(new URL(url).port), scope: 'test', processes };
}

/** Another way to a port of this machine: a longer one, and one that can be closed for good. */
async function startWay(to: number, delayMs = 0) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(to, '127.0.0.1');
    for (const end of [socket, onward]) sockets.add(end.on('error', () => undefined));
    socket.on('data', (chunk) => setTimeout(() => onward.write(chunk), delayMs));
    onward.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: () => Promise.resolve(close()) };
}

describe('an answer from memory', () => {
  test('is the same bytes as the application sends, the date apart, and costs it no statement', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const before = await rawGet(target.port, '/who');
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { shadowShare: 0.01 }));
    for (const path of ['/who', '/counters/3']) {
      const first = await rawGet(target.port, path);
      for (let time = 0; time < 20; time += 1) expect(await rawGet(target.port, path)).toBe(first);
    }
    expect(await rawGet(target.port, '/who')).toBe(before);
    const figures = await figuresOf(target);
    expect(figures['hits']! + figures['comparisons']!).toBe(41);
  });

  test('is never given to another identity, other words or another kind of request', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url)));
    const who = async (headers: Record<string, string>) =>
      ((await (await target.get('/who', { headers })).json()) as { who: string | null }).who;
    for (let time = 0; time < 3; time += 1) {
      expect(await who({ authorization: 'Bearer one' })).toBe('Bearer one');
      expect(await who({ authorization: 'Bearer two' })).toBe('Bearer two');
      expect(await who({ cookie: 'session=1' })).toBe('session=1');
      expect(await who({ 'x-api-key': 'three' })).toBe('three');
      expect(await who({})).toBe(null);
    }
    const { hits, comparisons } = (await figuresOf(target)) as { hits: number; comparisons: number };
    expect(hits + comparisons).toBe(10);
    for (const headers of [{ 'if-none-match': '"x"' }, { 'cache-control': 'no-cache' }, { range: 'bytes=0-1' }])
      await target.get('/who', { headers });
    expect(await figuresOf(target)).toMatchObject({ hits: 0, bypasses: 3 });
  });

  test('is given to every identity where its route was said to answer them alike, unless it says that it is for one', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    const ignoredHeaders = ['authorization', 'cookie'];
    const routes = ['/counters/:id', '/private'];
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { routes, ignoredHeaders, shadowShare: 0.01 }));
    const identities = [{ authorization: 'Bearer one' }, { authorization: 'Bearer two' }, { cookie: 'session=1' }, {}];
    const ask = async (path: string, headers: Record<string, string>) => (await target.get(path, { headers })).json();
    for (const headers of identities) expect(await ask('/counters/1', headers)).toEqual({ id: 1, value: 0 });
    // One of a hundred is made anew, and compared with what was kept.
    const { hits, comparisons, kept } = await figuresOf(target);
    expect([hits! + comparisons!, kept]).toEqual([3, 1]);
    for (const headers of identities) expect(await ask('/private', headers)).toEqual({ value: 0 });
    expect(await figuresOf(target)).toMatchObject({ hits: 0, kept: 0, refused: 4 });
  });

  test('is not made of files, other services, moving statements, cookies, streams, or nothing at all', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    for (const path of ['/files', '/fetches', '/unknown', '/cookies', '/streams', '/plain']) {
      await putInForce(target, cacheCounters(countersKnowledge(database.url), { routes: [path] }));
      for (let time = 0; time < 3; time += 1) expect((await target.get(path)).status).toBe(200);
      expect(await figuresOf(target), path).toMatchObject({ hits: 0, refused: 3, keptAnswers: 0 });
      await target.ask({ type: 'revoke-policy', policyId: 'cache' });
    }
  });

  test('made for one is given to all who ask at that moment', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { shadowShare: 0.01 }));
    await target.flush();
    await Promise.all(Array.from({ length: 40 }, async () => (await target.get('/total')).text()));
    const { routes } = await target.flush();
    const { requests } = routes.find(({ route }) => route === '/total')!;
    // Up to one in a hundred is made anew to be compared.
    expect(requests).toBeLessThan(10);
  });

  test('goes with a write to its row or to any row, and stays with one to another row', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { shadowShare: 0.01 }));
    const value = async (path: string) => ((await (await target.get(path)).json()) as { value: number }).value;
    const post = async (path: string) => (await target.get(path, { method: 'POST' })).text();
    expect([await value('/counters/1'), await value('/counters/2'), await value('/total')]).toEqual([0, 0, 0]);
    await target.flush();
    await post('/counters/01?form=autocommit');
    expect([await value('/counters/1'), await value('/counters/2'), await value('/total')]).toEqual([1, 0, 1]);
    expect(await figuresOf(target)).toMatchObject({ stale: 2 });
    await post('/procedures/2');
    expect([await value('/counters/1'), await value('/counters/2'), await value('/total')]).toEqual([1, 1, 2]);
    expect(await figuresOf(target)).toMatchObject({ hits: 0 });
  });

  test('that depends on chance ends the policy, with its reason', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { shadowShare: 1 }));
    for (let time = 0; time < 3; time += 1) await target.get('/chance');
    const { policies, problems } = await target.flush();
    expect(policies).toEqual([]);
    expect(problems.join()).toContain('a kept answer of /chance was not what the application says now');
    expect((await target.get('/chance')).status).toBe(200);
  });

  test('takes no more memory than it may', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url), { maximumBytes: 20_000 }));
    for (let time = 0; time < 60; time += 1) await target.get(`/counters/1?${time}`);
    const { keptBytes, keptAnswers } = (await figuresOf(target)) as { keptBytes: number; keptAnswers: number };
    expect(keptBytes).toBeLessThanOrEqual(20_000);
    expect(keptAnswers).toBeGreaterThan(5);
  });

  test('is let go when the policy is switched off, and what was written meanwhile is seen', async () => {
    await using database = await createTestDatabase(countersSql);
    await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
    await putInForce(target, cacheCounters(countersKnowledge(database.url)));
    const value = async () => ((await (await target.get('/counters/1')).json()) as { value: number }).value;
    for (let round = 0; round < 5; round += 1) {
      expect(await value()).toBe(round);
      expect(await target.ask({ type: 'switch-policy', policyId: 'cache', on: false })).toMatchObject({ type: 'done' });
      await target.get('/counters/1?form=autocommit', { method: 'POST' });
      expect(await target.ask({ type: 'switch-policy', policyId: 'cache', on: true })).toMatchObject({ type: 'done' });
    }
    expect(await value()).toBe(5);
  });
});

/** All that comes back over a connection of its own, without the date. */
async function rawGet(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  return text.replace(/^Date: .*\r\n/m, '');
}
