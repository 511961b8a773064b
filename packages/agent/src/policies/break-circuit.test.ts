import http from 'node:http';
import { describe, expect, test } from 'vitest';
import { refusalOf, serve, startPolicy, type Served } from '../../test/policy-bench.ts';
import { breakCircuit, type BreakCircuitPolicy } from './break-circuit.ts';
import { Circuit } from './outgoing/circuit.ts';

const limits = { failureShare: 0.5, minCalls: 4, windowMs: 10_000, openMs: 80, probes: 1 };
const breaking = (served: Served, more: Partial<BreakCircuitPolicy> = {}): BreakCircuitPolicy => ({
  kind: 'break-circuit',
  peer: `127.0.0.1:${served.port}`,
  ...limits,
  fallback: null,
  ...more,
});

/** A peer that fails while it is told to. */
async function unsteady() {
  const health = { failing: true, asked: 0 };
  const served = await serve((_request, response) => {
    health.asked += 1;
    response.statusCode = health.failing ? 500 : 200;
    response.end('real');
  });
  return { ...served, [Symbol.asyncDispose]: served[Symbol.asyncDispose], health };
}

async function getText(url: string, options: http.RequestOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    http
      .request(url, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(`${response.statusCode} ${response.headers['content-type'] ?? ''} ${text}`));
      })
      .on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}`))
      .end(options.method === 'POST' ? 'body' : undefined);
  });
}

test('a peer that fails is not asked any more, by fetch or by node:http, until a probe finds that it answers', async () => {
  await using served = await unsteady();
  using started = startPolicy(breakCircuit, breaking(served, { openMs: 2_000 }));
  for (let time = 0; time < 2; time += 1) await (await fetch(served.url)).text();
  for (let time = 0; time < 2; time += 1) await getText(served.url);
  await expect.poll(() => started.take()['closed'], { interval: 5 }).toBe(0);
  expect(served.health.asked).toBe(4);
  await expect(fetch(served.url)).rejects.toMatchObject({ message: 'fetch failed', cause: { code: 'ANNEAL_CIRCUIT_OPEN' } });
  expect(await getText(served.url)).toBe('ANNEAL_CIRCUIT_OPEN');
  expect(served.health.asked).toBe(4);

  served.health.failing = false;
  await expect
    .poll(
      async () =>
        fetch(served.url)
          .then((response) => response.text())
          .catch(() => 'refused'),
      { interval: 10 },
    )
    .toBe('real');
  expect(await getText(served.url)).toBe('200  real');
  expect(started.take()).toMatchObject({ closed: 1 });
  expect(started.endedBecause).toEqual([]);
});

test('a connection that cannot be made is a failure, a call that the application gave up is none', async () => {
  await using served = await serve(() => undefined);
  using started = startPolicy(breakCircuit, breaking(served, { minCalls: 1 }));
  const giveUp = new AbortController();
  const calls = [
    fetch(served.url, { signal: giveUp.signal }).catch((error: Error) => error.name),
    getText(served.url, { signal: giveUp.signal }),
  ];
  setTimeout(() => giveUp.abort(), 30);
  expect(await Promise.all(calls)).toEqual(['AbortError', 'ABORT_ERR']);
  expect(started.take()).toMatchObject({ passed: 2, failed: 0, closed: 1 });
  await expect(fetch(served.url, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(started.take()).toMatchObject({ failed: 1, closed: 0 });
});

test('a fallback answers in the place of the peer, as long as its policy says', async () => {
  await using served = await unsteady();
  const fallback = { status: 200, headers: { 'content-type': 'text/plain' }, body: 'from before' };
  using started = startPolicy(breakCircuit, breaking(served, { openMs: 60_000, fallback }));
  for (let time = 0; time < 4; time += 1) await (await fetch(served.url)).text();
  const answer = await fetch(served.url);
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, 'text/plain', 'from before']);
  expect(await getText(served.url)).toBe('200 text/plain from before');
  expect(await getText(served.url, { method: 'POST', agent: false, timeout: 1_000 })).toBe('200 text/plain from before');
  expect(await getText(served.url, { method: 'HEAD' })).toBe('200 text/plain ');
  expect(started.take()).toMatchObject({ refused: 4, fallbacks: 4 });
  expect(served.health.asked).toBe(4);
  started.switch(false);
  expect(await getText(served.url)).toBe('500  real');
});

test('a call whose error nobody would handle is let through', async () => {
  await using served = await unsteady();
  using _started = startPolicy(breakCircuit, breaking(served, { openMs: 60_000 }));
  for (let time = 0; time < 4; time += 1) await (await fetch(served.url)).text();
  const status = await new Promise((resolve) => {
    http.get(served.url, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
  });
  expect(status).toBe(500);
});

test('stopped it leaves fetch and the agents as they were', async () => {
  const before = [globalThis.fetch, Reflect.get(http.Agent.prototype, 'addRequest')];
  await using served = await unsteady();
  const first = startPolicy(breakCircuit, breaking(served));
  const second = startPolicy(breakCircuit, breaking(served, { peer: 'elsewhere' }));
  expect(globalThis.fetch).not.toBe(before[0]);
  first.running.stop();
  second.running.stop();
  expect([globalThis.fetch, Reflect.get(http.Agent.prototype, 'addRequest')]).toEqual(before);
});

test('limits that cannot be meant are refused', async () => {
  await using served = await unsteady();
  const policy = breaking(served);
  expect(refusalOf(breakCircuit, { ...policy, failureShare: 0 })).toContain('failureShare must be a share');
  expect(refusalOf(breakCircuit, { ...policy, minCalls: 0 })).toContain('minCalls must be a whole number from 1');
  expect(refusalOf(breakCircuit, { ...policy, probes: 0 })).toContain('probes must be a whole number from 1');
  expect(refusalOf(breakCircuit, { ...policy, openMs: 0 })).toContain('openMs must be');
  expect(refusalOf(breakCircuit, { ...policy, fallback: { status: 204, headers: {}, body: '' } })).toContain('no status to answer with');
  expect(refusalOf(breakCircuit, { ...policy, fallback: { status: 200, headers: { 'x-torn': 'a\r\nb: c' }, body: '' } })).toContain(
    'no header',
  );
  expect(refusalOf(breakCircuit, policy, [{ id: 'first', policy }])).toContain('already behind the policy first');
});

describe('a circuit', () => {
  const tell = (circuit: Circuit, outcomes: string, nowMs: number) => {
    for (const outcome of outcomes) circuit.left(circuit.enter(nowMs)!, outcome === '+' ? 'succeeded' : 'failed', nowMs);
  };

  test('opens at its share of failures, not before enough calls were seen, and forgets what is older than a window', () => {
    const circuit = new Circuit({ ...limits, windowMs: 1_000 }, 0);
    tell(circuit, '---', 0);
    expect(circuit.isClosed).toBe(true);
    tell(circuit, '++++', 1_500);
    tell(circuit, '---', 1_500);
    expect(circuit.isClosed).toBe(true);
    tell(circuit, '-', 1_900);
    expect(circuit.isClosed).toBe(false);
  });

  test('half open lets no more calls through than are to try, and closes when all of them succeeded', () => {
    const circuit = new Circuit({ ...limits, probes: 2 }, 0);
    const before = circuit.enter(0)!;
    tell(circuit, '----', 0);
    expect(circuit.enter(79)).toBeNull();
    const probes = [circuit.enter(80), circuit.enter(80)] as const;
    expect(circuit.enter(80)).toBeNull();
    // One that began before the circuit opened says nothing about the peer of now.
    circuit.left(before, 'failed', 81);
    circuit.left(probes[0]!, 'succeeded', 81);
    expect(circuit.isClosed).toBe(false);
    expect(circuit.enter(81)).toBeNull();
    circuit.left(probes[1]!, 'succeeded', 82);
    expect(circuit.isClosed).toBe(true);
  });

  test('opens again when a probe fails, and tries others where one never came back', () => {
    const circuit = new Circuit(limits, 0);
    tell(circuit, '----', 0);
    circuit.left(circuit.enter(80)!, 'failed', 81);
    expect(circuit.enter(160)).toBeNull();
    expect(circuit.enter(161)).not.toBeNull();
    expect(circuit.enter(162)).toBeNull();
    expect(circuit.enter(241)).not.toBeNull();
  });
});
