import http from 'node:http';
import { expect, test } from 'vitest';
import { refusalOf, serve, startPolicy, type Served } from '../../test/policy-bench.ts';
import { outgoingKeepAlive } from './outgoing-keep-alive.ts';

const answering = () => serve((_request, response) => response.end('answer'));
const keeping = (served: Served) => ({ kind: 'outgoing-keep-alive', peers: [`127.0.0.1:${served.port}`] }) as const;

async function get(url: string, options: http.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get(url, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => setImmediate(resolve, text));
      })
      .on('error', reject);
  });
}

async function getTimes(times: number, url: string, options: () => http.RequestOptions): Promise<void> {
  for (let time = 0; time < times; time += 1) expect(await get(url, options())).toBe('answer');
}

test.each<[string, () => http.RequestOptions]>([
  [
    'an agent without keep-alive',
    (() => {
      const agent = new http.Agent();
      return () => ({ agent });
    })(),
  ],
  ['no agent', () => ({ agent: false })],
  ['an agent per call', () => ({ agent: new http.Agent() })],
])('calls with %s use one connection while it is on, and one each while it is off', async (_name, options) => {
  await using served = await answering();
  using started = startPolicy(outgoingKeepAlive, keeping(served));
  await getTimes(5, served.url, options);
  expect(served.connections()).toBe(1);
  expect(started.take()).toEqual({ calls: 5, reused: 4 });
  started.switch(false);
  await getTimes(3, served.url, options);
  expect(served.connections()).toBe(4);
  started.switch(true);
  await getTimes(3, served.url, options);
  expect(served.connections()).toBe(5);
  expect(started.endedBecause).toEqual([]);
});

test.each<[string, () => http.RequestOptions]>([
  ['that asks for the connection to be closed', () => ({ agent: false, headers: { connection: 'close' } })],
  ['of an agent that limits its connections', () => ({ agent: new http.Agent({ maxSockets: 3 }) })],
  ['of an agent of another kind', () => ({ agent: new (class extends http.Agent {})() })],
  ['of an agent with options of its own', () => ({ agent: new http.Agent({ localAddress: '127.0.0.1' }) })],
])('a call %s is left as it is', async (_name, options) => {
  await using served = await answering();
  using started = startPolicy(outgoingKeepAlive, keeping(served));
  await getTimes(2, served.url, options);
  expect(served.connections()).toBe(2);
  expect(started.take()).toEqual({ calls: 0, reused: 0 });
});

test('a peer at any port of a host is one by whatever port it was given', async () => {
  await using served = await answering();
  await using other = await answering();
  using started = startPolicy(outgoingKeepAlive, { kind: 'outgoing-keep-alive', peers: ['127.0.0.1:*'] });
  for (const { url } of [served, other]) await getTimes(3, url, () => ({ agent: false }));
  expect([served.connections(), other.connections()]).toEqual([1, 1]);
  expect(started.take()).toEqual({ calls: 6, reused: 4 });
});

test('other peers keep their ways, and stopping closes what is idle and leaves the agents as they were', async () => {
  const before = Object.getOwnPropertyDescriptor(http.Agent.prototype, 'addRequest');
  await using served = await answering();
  await using other = await answering();
  using started = startPolicy(outgoingKeepAlive, keeping(served));
  await getTimes(2, other.url, () => ({ agent: false }));
  expect(other.connections()).toBe(2);
  await getTimes(2, served.url, () => ({ agent: false }));
  const open = () => new Promise<number>((resolve) => served.server.getConnections((_error, count) => resolve(count)));
  expect(await open()).toBe(1);
  started.running.stop();
  await expect.poll(open).toBe(0);
  expect(Object.getOwnPropertyDescriptor(http.Agent.prototype, 'addRequest')).toEqual(before);
  await getTimes(2, served.url, () => ({ agent: false }));
  expect(served.connections()).toBe(3);
});

test('an upload and an answer that is read late are carried whole over a kept connection', async () => {
  await using served = await serve((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(`${bytes} ${'x'.repeat(200_000)}`));
  });
  using _started = startPolicy(outgoingKeepAlive, keeping(served));
  for (let time = 0; time < 3; time += 1) {
    const length = await new Promise<number>((resolve, reject) => {
      const request = http.request(served.url, { method: 'POST', agent: false }, (response) => {
        let characters = 0;
        setTimeout(() => response.on('data', (chunk: Buffer) => (characters += chunk.length)).on('end', () => resolve(characters)), 5);
      });
      request.on('error', reject);
      request.write(Buffer.alloc(100_000));
      request.end(Buffer.alloc(100_000));
    });
    expect(length).toBe('200000 '.length + 200_000);
  }
  expect(served.connections()).toBe(1);
});

test('a peer whose connections are kept already is refused', () => {
  const policy = { kind: 'outgoing-keep-alive', peers: ['a:1'] } as const;
  expect(refusalOf(outgoingKeepAlive, policy, [{ id: 'first', policy }])).toBe('connections to a:1 are already kept by the policy first');
  expect(refusalOf(outgoingKeepAlive, { ...policy, peers: ['a:*'] }, [{ id: 'first', policy }])).toBe(
    'connections to a:* are already kept by the policy first',
  );
});
