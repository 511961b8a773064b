import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { io } from 'socket.io-client';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { hasRedisServer, startRedisServer } from '../../test/redis-server.ts';
import { appFile, startTarget } from '../../test/target.ts';
import type { AgentSummary, RouteSummary } from '../protocol.ts';

const app = 'messages.cjs';
const forms = ['require', 'import'];

function unit(summary: AgentSummary, kind: string): RouteSummary | undefined {
  return summary.routes.find(({ method }) => method === kind);
}

function lineOf(code: string): number {
  return (
    readFileSync(appFile(app), 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(code)) + 1
  );
}

test.each(forms)(
  'a message of a web socket is a unit of work until its handler is done, and failures stay the application’s (%s)',
  async (modules) => {
    await using target = await startTarget(app, { MODULES: modules });
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/chat/17?token=secret`);
    await once(socket, 'open');
    for (const text of ['one', 'two']) {
      socket.send(text);
      const [answer] = (await once(socket, 'message')) as [Buffer];
      expect(String(answer)).toBe(`heard ${text}`);
    }
    socket.send('fail');
    await expect.poll(async () => (await target.get('/answered')).json()).toMatchObject({ unhandled: 1 });
    const summary = await target.flush();
    expect(summary.problems).toEqual([]);
    expect(unit(summary, 'ws')).toMatchObject({
      route: '/chat/:id',
      requests: 3,
      errors: 1,
      outgoing: [{ operation: 'GET /users/:id', calls: 2, location: { line: lineOf('const ask =') } }],
    });
    expect(unit(summary, 'ws')!.durationUs.sum / 1000).toBeGreaterThan(2 * 19);
    socket.terminate();
  },
);

test.each(forms)('an event of Socket.IO is one unit of work, whatever carries it (%s)', async (modules) => {
  await using target = await startTarget(app, { MODULES: modules });
  const socket = io(`http://127.0.0.1:${target.port}/rooms`, { path: '/events', transports: ['websocket'] });
  expect(await socket.emitWithAck('say', 'hello')).toBe('heard hello');
  socket.close();
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  expect(unit(summary, 'socket.io')).toMatchObject({ route: '/rooms say', requests: 1, errors: 0, outgoing: [{ calls: 1 }] });
  expect(unit(summary, 'ws')).toBeUndefined();
});

// Node resolves an import of bullmq to its CommonJS files; its other build is for bundlers.
test.skipIf(!hasRedisServer()).each(forms)('a job is a unit of work, and adding one a call to its queue (%s)', async (modules) => {
  await using server = await startRedisServer();
  await using target = await startTarget(app, { REDIS_URL: server.url, MODULES: modules });
  await (await target.get('/jobs')).text();
  await expect.poll(async () => (await target.get('/answered')).json()).toMatchObject({ jobs: 2 });
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  expect(unit(summary, 'job')).toMatchObject({
    route: 'letters',
    requests: 2,
    errors: 1,
    outgoing: [{ operation: 'GET /users/:id', calls: 2 }],
  });
  const adding = summary.routes.find(({ route }) => route === '/jobs')!;
  expect(adding.outgoing).toMatchObject([
    { kind: 'queue', peer: 'letters', operation: 'add', calls: 1, errors: 0, location: { line: lineOf('// one letter') } },
    { kind: 'queue', peer: 'letters', operation: 'addBulk', calls: 1 },
  ]);
  expect(adding.outgoingMs).toBeGreaterThan(0);
});
