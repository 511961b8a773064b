/** What an application, its users or whoever holds the other end of the socket can do to the agent; and that the application never notices. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { schemaSql } from '../test/apps/schema.ts';
import { appFile, startApp, startTarget, type App, type Target } from '../test/target.ts';
import { socketVariable, type AgentHello } from './protocol.ts';

/** All applications here only read. */
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(schemaSql);
});
afterAll(() => database[Symbol.asyncDispose]());

const json = async (target: Pick<Target, 'get'>, path: string): Promise<unknown> => (await target.get(path)).json();
const stateOf = (target: Pick<Target, 'get'>) => json(target, '/state') as Promise<{ pid: number; stringifyIsNative: boolean }>;

/** Sends request lines as they are, one after the other on one connection, and gives the status codes. */
async function statusesOf(port: number, requestTargets: readonly Buffer[]): Promise<readonly number[]> {
  const socket = connect(port, '127.0.0.1');
  let answers = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answers += chunk;
  });
  socket.write(
    Buffer.concat(requestTargets.map((path) => Buffer.concat([Buffer.from('GET '), path, Buffer.from(' HTTP/1.1\r\nHost: shop\r\n\r\n')]))),
  );
  socket.end();
  await once(socket, 'close');
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

/** Letters only, as the application spells numbers: a path with digits would be one of a template. */
const word = (number: number) => String(number).replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!);

describe('memory is bounded', () => {
  test('by 10,000 routes, 10,000 statements and 10,000 places, whatever comes', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    // However fast they come: a policy that keeps requests apart has every one of them opened.
    const policy = { kind: 'coalesce-requests', routes: ['/nobody'], longestWaitMs: 1_000 } as const;
    expect(await target.ask({ type: 'apply-policy', policyId: 'every', policy })).toMatchObject({ type: 'done' });
    await json(target, '/places?count=12000');
    await json(target, '/statements?count=50');
    await target.flush();
    const before = Number(await json(target, '/heap'));

    await json(target, '/statements?count=12000');
    const statuses = await statusesOf(
      target.port,
      Array.from({ length: 12_000 }, (_, index) => Buffer.from(`/made-up-${word(index)}`)),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(12_000);
    const full = Number(await json(target, '/heap'));
    const summary = await target.flush();

    // Of the 10,000 that are kept one was asked for before this window; one more stands for all those that came too late.
    expect(summary.routes).toHaveLength(10_000);
    expect(summary.routes.filter(({ method }) => method === '*')).toHaveLength(1);
    expect(summary.routes.reduce((sum, { requests }) => sum + requests, 0)).toBe(12_000 + 3);
    expect(summary.background).toHaveLength(256);
    expect(summary.problems.map((problem) => problem.replace(/ \(\d+ times\)$/, ''))).toEqual([
      'a statement or outgoing call was not counted: the agent keeps 256 of them per route and 20000 in all',
      'a statement was counted as "other": the agent keeps 10000 different ones',
      'a request was counted as "other": the agent keeps 10000 routes',
      'places of the application are not told apart any more: there are more than the agent keeps',
    ]);
    // Some 1 kB per route and 1.5 kB per statement with its text, its place and both of their names.
    expect(full - before).toBeLessThan(10_000 * 2_500);

    // Routes that nobody asks for any more are forgotten, and those that come then have their names again.
    await target.flush();
    await json(target, '/state');
    expect((await target.flush()).routes.map(({ route }) => route)).toEqual(['/state']);
  });

  test('under much traffic some requests are let pass, and those that are opened stand for them', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    const asked = 20_000;
    await statusesOf(
      target.port,
      Array.from({ length: asked }, () => Buffer.from('/state')),
    );
    const [route] = (await target.flush()).routes;
    expect(route).toMatchObject({ route: '/state' });
    expect(route!.followed).toBeLessThan(asked / 2);
    expect(route!.durationUs.count).toBe(route!.requests);
    // At ten thousand a second one in forty is opened: what each stands for is rounded by chance, this far at the very most.
    expect(Math.abs(route!.requests / asked - 1)).toBeLessThan(5 / Math.sqrt(asked / 20));
  });

  test('against a listener that asks and never reads', async () => {
    await using server = await rawListener();
    await using app = await startApp('hostile.cjs', { DATABASE_URL: database.url, [socketVariable]: server.path });
    const socket = await server.connection();
    socket.pause();
    await expect.poll(async () => stateOf(app)).toMatchObject({ stringifyIsNative: false });
    const flush = `${JSON.stringify({ type: 'flush', id: 1 })}\n`;
    await expect
      .poll(
        async () => {
          socket.write(flush.repeat(2_000));
          return (await stateOf(app)).stringifyIsNative;
        },
        { timeout: 30_000, interval: 100 },
      )
      .toBe(true);
    expect(await json(app, '/author')).toEqual([{ name: 'author 3' }]);
    expect(await app.finish()).toBe(0);
    expect(app.output()).toBe('');
  });
});

describe('hostile input', () => {
  test('URLs of every kind are answered, named and told as JSON', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: 'postgres://127.0.0.1:1/none' });
    const paths = [
      '/__proto__',
      '/constructor/prototype',
      '/hasOwnProperty',
      '/%00%ff%fe',
      '/%',
      '/%E0%A4%A',
      '//',
      '/?',
      '/../../etc/passwd',
      'http://[::1',
      '*',
      '/%FF%FE%C3%28',
      '/%ED%A0%80',
      `/${'a'.repeat(15_000)}`,
      `/${'%41'.repeat(5_000)}`,
      `/${'a/'.repeat(7_000)}`,
      `/search?q=${'b'.repeat(15_000)}`,
    ].map((path) => Buffer.from(path));
    const statuses = await statusesOf(target.port, paths);
    // Bytes that are no text are refused by Node itself.
    expect(await statusesOf(target.port, [Buffer.from([0x2f, 0xff, 0xfe, 0xc3, 0x28])])).toEqual([400]);
    expect(statuses).toEqual(paths.map(() => 200));
    const summary = await target.flush();
    expect(summary.problems).toEqual([]);
    expect(summary.routes.reduce((sum, { requests }) => sum + requests, 0)).toBe(paths.length);
    const names = summary.routes.map(({ route }) => route);
    expect(names).toEqual(expect.arrayContaining(['/__proto__', '/constructor/prototype', '/hasOwnProperty', '/search', '*', '/:id']));
    expect(await stateOf(target)).toMatchObject({ stringifyIsNative: false });
  });

  test('statements of a megabyte, nested, torn and binary ones answer as they do without the agent', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    await using plain = await startApp('hostile.cjs', { DATABASE_URL: database.url }, false);
    const answers = (await json(target, '/sql')) as readonly unknown[];
    expect(answers).toEqual(await json(plain, '/sql'));
    expect(answers[0]).toEqual([{ length: 1_000_000 }]);
    const summary = await target.flush();
    expect(summary.problems).toEqual([]);
    expect(Math.max(...summary.statementTexts.map(({ sample }) => sample.length))).toBeLessThanOrEqual(16_384);
    expect(summary.routes[0]!.statements.reduce((sum, { calls }) => sum + calls, 0)).toBe(answers.length);
  });

  test.each([
    ['something that is no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['nothing', 'null\n'],
    ['a message without a number', '{"type":"flush"}\n'],
    ['a list', '[]\n'],
    ['bytes that are no text', Buffer.from([0xff, 0x00, 0xfe, 0x0a])],
    ['a line that does not end', 'x'.repeat(17 * 1024 * 1024)],
  ])('%s from the socket ends the connection and nothing else', async (_name, garbage) => {
    await using server = await rawListener();
    await using app = await startApp('hostile.cjs', { [socketVariable]: server.path });
    const socket = await server.connection();
    await helloOf(socket);
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.write(garbage);
    await closed;
    await expect.poll(async () => stateOf(app)).toMatchObject({ stringifyIsNative: true });
    expect(await app.finish()).toBe(0);
    expect(app.output()).toBe('');
  });

  test('messages that make no sense are refused one by one', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: 'postgres://127.0.0.1:1/none' });
    const refused = { type: 'refused' };
    const ask = (question: unknown) => target.ask(question as Parameters<Target['ask']>[0]);
    expect(await ask({ type: 'no such message' })).toMatchObject(refused);
    expect(await ask({ type: '__proto__' })).toMatchObject(refused);
    expect(await ask({ type: 'apply-policy', policyId: 'none', policy: null })).toMatchObject(refused);
    expect(await ask({ type: 'apply-policy', policyId: 'none', policy: { kind: 'constructor' } })).toMatchObject(refused);
    expect(await ask({ type: 'apply-policy', policyId: 'none', policy: { kind: 'pool-size', pool: {}, max: '4' } })).toMatchObject(refused);
    expect(await ask({ type: 'switch-policy', policyId: 'none', on: true })).toMatchObject(refused);
    expect(await target.ask({ type: 'list-policies' })).toMatchObject({ ids: [] });
    expect(await stateOf(target)).toMatchObject({ stringifyIsNative: false });
  });
});

describe('an application ends as it would without the agent', () => {
  const ending = async (app: App, path: string) => {
    const exited = once(app.process, 'exit') as Promise<[number | null, string | null]>;
    await app.get(path).catch(() => undefined);
    const [code, signal] = await exited;
    // The stack has the agent's frames between Node's and the application's.
    const lines = app.output().split('\n');
    return { code, signal, output: lines.filter((line) => !/^ {4}at /.test(line)) };
  };

  test.each(['exit', 'reject', 'throw', 'throw-later', 'throw-in-callback'])('when it does: %s', async (how) => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    await using plain = await startApp('hostile.cjs', { DATABASE_URL: database.url }, false);
    await target.ask({ type: 'start-profile' });
    const expected = await ending(plain, `/${how}`);
    expect(expected.code).toBe(how === 'exit' ? 7 : 1);
    expect(await ending({ ...target, process: target.process }, `/${how}`)).toEqual(expected);
  });

  test('a request that is running at SIGTERM is answered before', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    const answer = target.get('/slow', { headers: { connection: 'close' } });
    // Two that came later have been answered: it has been heard.
    for (let time = 0; time < 2; time += 1) await stateOf(target);
    const exited = target.finish();
    expect(await (await answer).json()).toBe('slow');
    expect(await exited).toBe(0);
    expect(target.output()).toBe('');
  });
});

describe('processes and threads', () => {
  test('worker threads inherit the preload and start no agent of their own', async () => {
    await using server = await rawListener();
    await using app = await startApp('hostile.cjs', { [socketVariable]: server.path });
    const socket = await server.connection();
    socket.resume();
    const threads = async () => (await readdir(`/proc/${app.process.pid}/task`)).length;
    const before = await threads();
    expect(await json(app, '/workers?count=4')).toEqual(['0', '1', '2', '3']);
    expect(await threads()).toBeLessThanOrEqual(before + 1);
    expect(server.connections()).toBe(1);
  });

  test('in a cluster each worker comes by itself; those that are sent away serve on, unobserved', async () => {
    await using server = await rawListener();
    await using app = await startApp('cluster.cjs', { [socketVariable]: server.path });
    const sockets = await Promise.all([server.connection(), server.connection(), server.connection()]);
    const hellos = await Promise.all(sockets.map(helloOf));
    expect(new Set(hellos.map(({ pid }) => pid)).size).toBe(3);
    // As Anneal does: it talks to the first one.
    for (const socket of sockets.slice(1)) socket.destroy();
    const observed = hellos[0]!.pid;
    const seen = new Map<number, boolean>();
    await expect
      .poll(async () => {
        const { pid, stringifyIsNative } = await stateOf(app);
        seen.set(pid, stringifyIsNative);
        return seen.size === 3 && hellos.every(({ pid }) => seen.get(pid) === (pid !== observed));
      })
      .toBe(true);
    // One that dies is replaced, and its replacement comes too.
    process.kill(observed, 'SIGKILL');
    expect((await helloOf(await server.connection())).pid).not.toBe(observed);
    expect(await app.finish()).toBe(0);
    expect(app.output()).toBe('');
  });

  test('a driver that is thrown away and loaded again is observed again', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    expect(await json(target, '/reload?count=20')).toBe('reloaded');
    const { routes, problems } = await target.flush();
    expect(routes[0]!.statements).toEqual([expect.objectContaining({ calls: 20, errors: 0, rows: 20 })]);
    expect(problems).toEqual([]);
  });

  test('with node --watch every new process comes anew', async () => {
    const folder = await mkdtemp(join(import.meta.dirname, '../test/apps/watched-'));
    await using server = await rawListener();
    await copyFile(appFile('bare.mjs'), join(folder, 'app.mjs'));
    const agent = new URL('./agent.ts', import.meta.url).pathname;
    const watching = spawn(process.execPath, ['--watch', '--watch-preserve-output', join(folder, 'app.mjs')], {
      env: { ...process.env, NODE_OPTIONS: `--import=${agent}`, [socketVariable]: server.path },
      stdio: 'ignore',
    });
    try {
      const first = await server.connection();
      const { pid } = await helloOf(first);
      const closed = once(first, 'close');
      await utimes(join(folder, 'app.mjs'), new Date(), new Date());
      await closed;
      expect((await helloOf(await server.connection())).pid).not.toBe(pid);
    } finally {
      watching.kill('SIGTERM');
      await once(watching, 'exit');
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('an application that changes what the agent hooked', () => {
  test.each(['redefine', 'freeze', 'delete-emit'])('%s: answers stay right, and nothing is left over when Anneal goes', async (how) => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
    expect(await json(target, `/corrupt?how=${how}`)).toBe('corrupted');
    for (let time = 0; time < 5; time += 1) expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
    await target.flush();
    target.loseListener();
    await sleep(100);
    expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
    expect(await target.finish()).toBe(0);
    expect(target.output()).toBe('');
  });

  test('an error inside the agent ends that one hook, says so, and no request sees it', async () => {
    await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
    expect(await json(target, '/corrupt?how=break-responses')).toBe('corrupted');
    for (let time = 0; time < 5; time += 1) expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
    const summary = await target.flush();
    expect(summary.problems).toEqual(['node:http is not observed any more: not to be asked']);
    // The driver's hook is another one: what it sees belongs to no request now.
    await json(target, '/author');
    const later = await target.flush();
    expect(later.routes).toEqual([]);
    expect(later.background).toEqual([expect.objectContaining({ calls: 1, rows: 1 })]);
    expect(later.problems).toEqual([]);
  });
});

test("an error inside the driver's hook leaves every query as it is, and takes no connection twice", async () => {
  await using target = await startTarget('hostile.cjs', { DATABASE_URL: database.url });
  expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
  await target.flush();
  expect(await json(target, '/corrupt?how=break-pools')).toBe('corrupted');
  // More often than the pool has connections: one that was taken twice would never come back.
  for (let time = 0; time < 6; time += 1) expect(await json(target, '/author')).toEqual([{ name: 'author 3' }]);
  for (let time = 0; time < 6; time += 1) expect(await json(target, '/client')).toEqual([{ five: 5 }]);
  const summary = await target.flush();
  expect(summary.problems).toEqual(['pg is not observed any more: not to be asked']);
  // What is seen of requests goes on.
  expect(summary.routes.map(({ route, requests }) => [route, requests])).toEqual([
    ['/author', 6],
    ['/corrupt', 1],
    ['/client', 6],
  ]);
});

interface RawListener extends AsyncDisposable {
  readonly path: string;
  /** The next connection that nobody has taken. */
  connection(): Promise<Socket>;
  connections(): number;
}

/** The other end of the socket, to be as rude with as wanted. */
async function rawListener(): Promise<RawListener> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-test-'));
  const path = join(folder, 'socket');
  const all: Socket[] = [];
  const untaken: Socket[] = [];
  const waiting: ((socket: Socket) => void)[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    all.push(socket);
    const waiter = waiting.shift();
    if (waiter === undefined) untaken.push(socket);
    else waiter(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    connections: () => all.length,
    connection: () =>
      new Promise((resolve) => {
        const socket = untaken.shift();
        if (socket === undefined) waiting.push(resolve);
        else resolve(socket);
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function helloOf(socket: Socket): Promise<AgentHello> {
  const lines = createInterface(socket);
  // It repeats the socket's errors.
  lines.on('error', () => undefined);
  const [line] = (await once(lines, 'line')) as [string];
  return JSON.parse(line) as AgentHello;
}
