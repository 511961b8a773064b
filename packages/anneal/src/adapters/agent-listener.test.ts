import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { rawRequest } from '../../../agent/test/raw-request.ts';
import { startApp } from '../../../agent/test/target.ts';
import { createAgents } from './agent-listener.ts';

async function listenAndStart() {
  const listener = await createAgents().listen();
  const app = await startApp('bare.mjs', { ANNEAL_SOCKET: listener.socketPath });
  const stack = new AsyncDisposableStack();
  stack.use(listener);
  stack.use(app);
  return { listener, app, stack };
}

test('the agent is loaded by a file that exists, and the socket lies in a folder only this user may enter', async () => {
  const agents = createAgents();
  expect(existsSync(new URL(agents.importSpecifier))).toBe(true);
  const listener = await agents.listen();
  const folder = dirname(listener.socketPath);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  await listener[Symbol.asyncDispose]();
  expect(existsSync(folder)).toBe(false);
});

test('a connected agent answers: summaries, switching, policies and refusals with their reasons', async () => {
  const { listener, app, stack } = await listenAndStart();
  await using _ = stack;
  const agent = await listener.connected(10_000);
  expect(agent.hello.pid).toBe(app.process.pid);
  expect(await listener.connected(1)).toBe(agent);
  await (await app.get('/things/1')).text();
  expect((await agent.flush()).routes).toMatchObject([{ method: 'GET', route: '/things/:id', requests: 1 }]);
  await agent.startProfile();
  expect((await agent.flush()).profile).toMatchObject({ intervalUs: 10_000 });
  await agent.observe(false);
  await (await app.get('/things/1')).text();
  expect((await agent.flush()).routes).toEqual([]);
  await expect(agent.apply('bigger', { kind: 'pool-size', pool: 'none', max: 3 })).rejects.toMatchObject({
    code: 'ANNEAL_POLICY_REFUSED',
    message: 'the agent refused the policy bigger: there is no pool named none',
  });
  expect(await agent.policies()).toEqual([]);
  await agent.revoke('never applied');
});

test('a policy is switched and toggled through the agent, and refusals say why', async () => {
  const listener = await createAgents().listen();
  const app = await startApp('answers.mjs', { ANNEAL_SOCKET: listener.socketPath });
  await using stack = new AsyncDisposableStack();
  stack.use(listener);
  stack.use(app);
  const agent = await listener.connected(10_000);
  await agent.apply('compress', { kind: 'compress-responses', routes: ['/big'] });
  const coding = async () => (await rawRequest(app.port, '/big', { headers: { 'accept-encoding': 'br' } })).headers['content-encoding'];
  expect(await coding()).toBe('br');
  await agent.switch('compress', false);
  expect(await coding()).toBeUndefined();
  await agent.switch('compress', true);
  const blocks = await agent.toggle({ policyId: 'compress', blockMs: 20, blocks: 4, seed: 1 });
  expect(blocks.filter(({ on }) => on)).toHaveLength(2);
  expect(await coding()).toBe('br');
  expect((await agent.flush()).policies).toMatchObject([{ id: 'compress', kind: 'compress-responses', on: true }]);
  await expect(agent.switch('none', true)).rejects.toMatchObject({
    code: 'ANNEAL_POLICY_REFUSED',
    message: 'the agent refused the policy none: the policy none is not in force',
  });
  const [toggled] = await Promise.allSettled([
    agent.toggle({ policyId: 'compress', blockMs: 1_000, blocks: 4, seed: 1 }),
    agent.switch('compress', false),
  ]);
  expect(toggled).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'ANNEAL_POLICY_REFUSED',
      message: 'the agent refused the policy compress: the policy compress was switched',
    },
  });
  expect(await coding()).toBeUndefined();
});

test('a policy is in force on the terms that it was given', async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.use(await createAgents().listen());
  stack.use(await startApp('answers.mjs', { ANNEAL_SOCKET: listener.socketPath }));
  const agent = await listener.connected(10_000);
  await agent.apply('tried', { kind: 'compress-responses', routes: ['/big'] }, { share: 0.25 });
  expect((await agent.flush()).policies).toMatchObject([{ id: 'tried', share: 0.25 }]);
  await agent.apply('short', { kind: 'conditional-responses', routes: ['/big'] }, { expiresAfterMs: 20 });
  await expect.poll(() => agent.policies()).toEqual(['tried']);
});

test('an agent that ends while it is asked is lost, and so is every later question', async () => {
  const { listener, app, stack } = await listenAndStart();
  await using _ = stack;
  const agent = await listener.connected(10_000);
  app.process.kill('SIGSTOP');
  const [lost] = await Promise.allSettled([agent.flush(), Promise.resolve(app.process.kill('SIGKILL'))]);
  expect(lost).toMatchObject({ status: 'rejected', reason: { code: 'ANNEAL_AGENT_LOST' } });
  await expect(agent.policies()).rejects.toMatchObject({ code: 'ANNEAL_AGENT_LOST' });
});

test('silence ends in ANNEAL_AGENT_SILENT; noise and a newer protocol end the connection', async () => {
  await using listener = await createAgents().listen();
  await expect(listener.connected(20)).rejects.toMatchObject({ code: 'ANNEAL_AGENT_SILENT' });
  const noisy = connect(listener.socketPath);
  noisy.write('hello?\n');
  await once(noisy, 'close');
  const newer = connect(listener.socketPath);
  newer.write(`${JSON.stringify({ type: 'hello', version: 99 })}\n`);
  await expect(listener.connected(10_000)).rejects.toMatchObject({
    code: 'ANNEAL_AGENT_LOST',
    message: "the agent's connection closed: it speaks version 99 of the protocol, this Anneal only 1",
  });
});

test('a second process that loads the agent is turned away, and the next one after the first has gone is welcome', async () => {
  const { listener, app, stack } = await listenAndStart();
  await using _ = stack;
  const first = await listener.connected(10_000);
  const second = connect(listener.socketPath);
  second.write(`${JSON.stringify({ ...first.hello, type: 'hello', pid: 1 })}\n`);
  await once(second, 'close');
  expect(await listener.connected(1)).toBe(first);
  await app[Symbol.asyncDispose]();
  await expect(first.flush()).rejects.toMatchObject({ code: 'ANNEAL_AGENT_LOST' });
  await using third = await startApp('bare.mjs', { ANNEAL_SOCKET: listener.socketPath });
  expect((await listener.connected(10_000)).hello.pid).toBe(third.process.pid);
});

test('an agent that only observes has no thread; with its first policy it moves to one, and the conversation goes on', async () => {
  const { listener, app, stack } = await listenAndStart();
  await using _ = stack;
  const agent = await listener.connected(10_000);
  const nameOf = (thread: string) => readFile(`/proc/${app.process.pid}/task/${thread}/comm`, 'utf8');
  const threads = async () =>
    (await Promise.all((await readdir(`/proc/${app.process.pid}/task`)).map(nameOf))).filter((name) => name.startsWith('anneal'));
  expect(await threads()).toEqual([]);
  // Asked for at once: they are carried out in their order all the same.
  const asked = [agent.apply('compress', { kind: 'compress-responses', routes: ['/big'] }), agent.revoke('compress'), agent.flush()];
  await Promise.all(asked);
  expect(await agent.policies()).toEqual([]);
  expect(await threads()).toHaveLength(1);
  await (await app.get('/things/1')).text();
  expect((await agent.flush()).routes).toMatchObject([{ route: '/things/:id', requests: 1 }]);
  expect(await listener.connected(1)).toBe(agent);
});

test('nobody goes on with the conversation of an agent whose key is not his', async () => {
  const { listener, stack } = await listenAndStart();
  await using _ = stack;
  const agent = await listener.connected(10_000);
  for (const stranger of [{ type: 'moved' }, { type: 'moved', key: 'guessed' }]) {
    const socket = connect(listener.socketPath);
    socket.write(`${JSON.stringify(stranger)}\n`);
    await once(socket, 'close');
  }
  expect((await agent.flush()).routes).toEqual([]);
});
