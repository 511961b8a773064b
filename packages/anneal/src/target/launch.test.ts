import { once } from 'node:events';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { nodeClock } from '../adapters/node-clock.ts';
import { createProcesses } from '../adapters/node-processes.ts';
import type { Agents } from '../ports/agent.ts';
import { launchTarget, type LaunchOptions } from './launch.ts';
import type { Target } from './target.ts';

/** These targets run without the agent; one that asked for it all the same would fail here. */
const agents: Agents = {
  importSpecifier: 'never-imported',
  listen: () => Promise.reject(new Error('no agent was asked for')),
};
const outside = { agents, clock: nodeClock, processes: createProcesses() };
const plain = (): LaunchOptions => ({ withAgent: false, signal: new AbortController().signal });

function target(script: string, changes: Partial<Target> = {}): Target {
  return {
    name: 'tiny',
    startCommand: `"${process.execPath}" -e "$SCRIPT"`,
    workingDirectory: tmpdir(),
    env: { SCRIPT: script },
    portVariable: 'LISTEN_PORT',
    readyPath: '/health',
    readyTimeoutMs: 20_000,
    database: null,
    ...changes,
  };
}

const echo = (listen: string) =>
  `require('node:http').createServer((request, response) => {
     if (request.url === '/crash') process.exit(7);
     response.end(JSON.stringify({ url: request.url, database: process.env.DB ?? null }));
   }).listen(${listen});`;
const database = { url: 'postgres://u:p@127.0.0.1/app', urlVariable: 'DB', allowRemoteChange: false };

test('a target is told its port and database, answers when it is handed over, and is gone when stopped', async () => {
  const running = await launchTarget(outside, target(echo('process.env.LISTEN_PORT'), { database }), plain());
  const answer = await fetch(`${running.baseUrl}/x`);
  expect(await answer.json()).toEqual({ url: '/x', database: database.url });
  expect(running.agent).toBeNull();
  await running.stop();
  expect(running.crashed()).toBeNull();
  await expect(fetch(running.baseUrl)).rejects.toThrow('fetch failed');
});

test('a target can be given another database and a port', async () => {
  const port = await outside.processes.freePort();
  const options = { ...plain(), port, databaseUrl: 'postgres://u:p@127.0.0.1/copy' };
  await using running = await launchTarget(outside, target(echo('process.env.LISTEN_PORT'), { database }), options);
  expect(running.baseUrl).toBe(`http://127.0.0.1:${port}`);
  expect(await (await fetch(running.baseUrl)).json()).toMatchObject({ database: options.databaseUrl });
});

test('a target that listens on the other loopback address only is found there', async () => {
  await using running = await launchTarget(outside, target(echo(`process.env.LISTEN_PORT, '::1'`)), plain());
  expect(running.baseUrl).toContain('[::1]');
});

test('errors while it warms up are waited out; redirects and missing pages are answers', async () => {
  const warming = `let count = 0; require('node:http').createServer((request, response) => {
    count += 1; response.writeHead(count < 4 ? 503 : 404).end(String(count)); }).listen(process.env.LISTEN_PORT);`;
  await using running = await launchTarget(outside, target(warming), plain());
  expect(Number(await (await fetch(running.baseUrl)).text())).toBeGreaterThanOrEqual(5);
});

test('a target that ends while starting is reported with its exit and last words, passwords masked', async () => {
  const failing = `console.error('cannot connect to postgres://app:hunter2@db/app'); process.exit(3);`;
  await expect(launchTarget(outside, target(failing), plain())).rejects.toMatchObject({
    code: 'ANNEAL_TARGET_EXITED',
    details: { outcome: 'exit code 3', output: 'cannot connect to postgres://app:***@db/app' },
  });
});

test('a target that never answers on the port it was given is stopped and reported', async () => {
  let pid = 0;
  const deaf = target('setInterval(() => {}, 1000)', { readyTimeoutMs: 100 });
  const launching = launchTarget(outside, deaf, { ...plain(), announce: async (identity) => void (pid = identity.pid) });
  await expect(launching).rejects.toMatchObject({ code: 'ANNEAL_TARGET_UNREACHABLE', details: { portVariable: 'LISTEN_PORT' } });
  expect(await outside.processes.usage(pid)).toBeNull();
});

test('a target that answers only errors is reported with their status', async () => {
  const broken = createServer((_request, response) => response.writeHead(500).end());
  const port = await outside.processes.freePort();
  broken.listen(port, '127.0.0.1');
  await once(broken, 'listening');
  try {
    const launching = launchTarget(outside, target('setInterval(() => {}, 1000)', { readyTimeoutMs: 100 }), { ...plain(), port });
    await expect(launching).rejects.toMatchObject({ code: 'ANNEAL_TARGET_UNREACHABLE', details: { problem: 'status 500' } });
  } finally {
    broken.close();
  }
});

test('aborting the start rejects with the reason and leaves no process', async () => {
  let pid = 0;
  const abort = new AbortController();
  const reason = new Error('enough');
  const announce = async (identity: { readonly pid: number }) => {
    pid = identity.pid;
    setImmediate(() => abort.abort(reason));
  };
  await expect(
    launchTarget(outside, target('setInterval(() => {}, 1000)'), { withAgent: false, signal: abort.signal, announce }),
  ).rejects.toBe(reason);
  expect(await outside.processes.usage(pid)).toBeNull();
});

test('a crash after the start is told, not thrown', async () => {
  await using running = await launchTarget(outside, target(echo('process.env.LISTEN_PORT')), plain());
  expect(running.crashed()).toBeNull();
  await fetch(`${running.baseUrl}/crash`).catch(() => {});
  await expect.poll(() => running.crashed()).toMatchObject({ outcome: 'exit code 7' });
});

test('the agent is imported beside what NODE_OPTIONS already holds, over a socket that closes with the target', async () => {
  let disposed = false;
  const listening: Agents = {
    importSpecifier: 'data:text/javascript,globalThis.imported=true',
    listen: async () => ({
      socketPath: '/tmp/some.sock',
      connected: async () => ({ hello: { pid: 1 } }) as never,
      [Symbol.asyncDispose]: async () => void (disposed = true),
    }),
  };
  const telling = `require('node:http').createServer((request, response) => response.end(JSON.stringify(
    [globalThis.imported ?? false, process.env.ANNEAL_SOCKET, process.title]))).listen(process.env.LISTEN_PORT);`;
  const env = { SCRIPT: telling, NODE_OPTIONS: '--title=kept' };
  const running = await launchTarget({ ...outside, agents: listening }, target(telling, { env }), { ...plain(), withAgent: true });
  expect(await (await fetch(running.baseUrl)).json()).toEqual([true, '/tmp/some.sock', 'kept']);
  expect(disposed).toBe(false);
  await running.stop();
  expect(disposed).toBe(true);
});
