import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { author, hookedPg, list, loop, policyFor, poolOn, putInForce, schemaSql } from '../../test/batching.ts';
import { serve, startPolicy, type Served } from '../../test/policy-bench.ts';
import { startTarget, type Target } from '../../test/target.ts';
import { Observer } from '../observer.ts';
import type { Policy } from '../protocol.ts';
import { breakCircuit } from './break-circuit.ts';
import { coalesceRequests } from './coalesce-requests.ts';
import { compressResponses } from './compress-responses.ts';
import { conditionalResponses } from './conditional-responses.ts';
import { limitRate } from './limit-rate.ts';
import { outgoingKeepAlive } from './outgoing-keep-alive.ts';
import { outgoingTimeout } from './outgoing-timeout.ts';
import { drawOf, type Draw } from './share.ts';
import { shedLoad } from './shed-load.ts';

describe('a share', () => {
  test('of all is no draw at all', () => {
    expect(drawOf(1)).toBeNull();
  });

  test('is drawn once per request, and is a part of any larger share', () => {
    const [tenth, half] = [drawOf(0.1)!, drawOf(0.5)!];
    const requests = Array.from({ length: 10_000 }, () => ({}));
    const inTenth = requests.filter((request) => tenth(request));
    // Five standard deviations of the binomial distribution.
    expect(Math.abs(inTenth.length - 1_000)).toBeLessThan(5 * Math.sqrt(10_000 * 0.1 * 0.9));
    expect(requests.filter((request) => tenth(request))).toEqual(inTenth);
    expect(inTenth.every((request) => half(request))).toBe(true);
  });

  test('is no part of what no request asked for', () => {
    expect(drawOf(0.999)!(null)).toBe(false);
  });
});

/** In place of chance, so that a test can say which requests they are. */
const canary: Draw = (request) => (request as IncomingMessage).headers['x-canary'] === 'yes';
const drawn = { 'x-canary': 'yes' };

describe('of the requests that are not of its share', () => {
  test('answers are neither compressed nor tagged', async () => {
    await using served = await serve((_request, response) => {
      response.setHeader('content-type', 'text/plain');
      response.end('text '.repeat(1_000));
    });
    using _compressing = startPolicy(compressResponses, { kind: 'compress-responses', routes: ['/*'] }, new Observer(), canary);
    using _tagging = startPolicy(conditionalResponses, { kind: 'conditional-responses', routes: ['/*'] }, new Observer(), canary);
    const meaning = async (headers: Readonly<Record<string, string>>) => {
      const answer = await fetch(`${served.url}/a`, { headers: { 'accept-encoding': 'gzip', ...headers } });
      return [answer.headers.get('content-encoding'), answer.headers.has('etag'), (await answer.text()).length];
    };
    expect(await meaning({})).toEqual([null, false, 5_000]);
    expect(await meaning(drawn)).toEqual(['gzip', true, 5_000]);
  });

  test('none waits for the run of another', async () => {
    let runs = 0;
    const open: (() => void)[] = [];
    await using served = await serve((_request, response) => {
      runs += 1;
      open.push(() => response.end('answer'));
    });
    const policy = { kind: 'coalesce-requests', routes: ['/a'], longestWaitMs: 30_000 } as const;
    using _started = startPolicy(coalesceRequests, policy, new Observer(), canary);
    const headers = [{}, drawn, drawn, {}, drawn];
    const answers = headers.map(async (each) => (await fetch(`${served.url}/a`, { headers: each })).text());
    // The two that are not of it, and the first of those that are.
    await expect.poll(() => runs).toBe(3);
    for (let settled = false; !settled;) {
      for (const answer of open.splice(0)) answer();
      settled = await Promise.race([
        Promise.all(answers).then(() => true),
        new Promise<false>((resolve) => void setImmediate(resolve, false)),
      ]);
    }
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['answer']));
    expect(runs).toBe(4);
  });

  test('none is refused, though all of them count', async () => {
    await using served = await serve((_request, response) => response.end('answer'));
    const limit = { kind: 'limit-rate', name: 'all', per: [], ratePerSecond: 0.01, burst: 2, exempt: [] } as const;
    const statusOf = async (headers: Readonly<Record<string, string>>) => (await fetch(served.url, { headers })).status;
    using _limiting = startPolicy(limitRate, limit, new Observer(), canary);
    expect([await statusOf({}), await statusOf({}), await statusOf({}), await statusOf(drawn)]).toEqual([200, 200, 200, 429]);
  });

  test('none is shed, and each takes a place', async () => {
    const open: (() => void)[] = [];
    await using served = await serve((_request, response) => void open.push(() => response.end('answer')));
    const shedding = {
      kind: 'shed-load',
      maxConcurrent: 1,
      maxWaiting: 0,
      targetDelayMs: 10,
      intervalMs: 10,
      retryAfterSeconds: 1,
      exempt: [],
    } as const;
    using _shedding = startPolicy(shedLoad, shedding, new Observer(), canary);
    const spared = [fetch(served.url), fetch(served.url)];
    await expect.poll(() => open.length).toBe(2);
    expect((await fetch(served.url, { headers: drawn })).status).toBe(503);
    for (const answer of open) answer();
    expect((await Promise.all(spared)).map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe('calls that no request of its share makes', () => {
  const never: Draw = () => false;
  const calling = async ({ url }: Served) => (await fetch(`${url}/a`, { signal: null })).status;

  test('are not refused by an open circuit, which learns from them while it is closed', async () => {
    await using peer = await serve((_request, response) => {
      response.statusCode = 500;
      response.end();
    });
    let isDrawn = false;
    const breaking = { failureShare: 0.5, minCalls: 4, windowMs: 10_000, openMs: 60_000, probes: 1, fallback: null } as const;
    const policy = { kind: 'break-circuit', peer: `127.0.0.1:${peer.port}`, ...breaking } as const;
    using started = startPolicy(breakCircuit, policy, new Observer(), () => isDrawn);
    for (let call = 0; call < 6; call += 1) expect(await calling(peer)).toBe(500);
    expect(started.take()).toMatchObject({ closed: 0, refused: 0 });
    isDrawn = true;
    await expect(calling(peer)).rejects.toThrow('fetch failed');
    expect(started.take()).toMatchObject({ refused: 1 });
  });

  test('have no limit of time, and keep the connections that they had', async () => {
    await using peer = await serve((_request, response) => response.end('answer'));
    const peers = [`127.0.0.1:${peer.port}`];
    using limiting = startPolicy(outgoingTimeout, { kind: 'outgoing-timeout', peers, timeoutMs: 60_000 }, new Observer(), never);
    using keeping = startPolicy(outgoingKeepAlive, { kind: 'outgoing-keep-alive', peers }, new Observer(), never);
    expect(await calling(peer)).toBe(200);
    const { get, Agent } = await import('node:http');
    const [response] = (await once(get(peer.url, { agent: new Agent() }), 'response')) as [IncomingMessage];
    response.resume();
    expect(limiting.take()).toEqual({ limited: 0, timedOut: 0 });
    expect(keeping.take()).toEqual({ calls: 0, reused: 0 });
  });
});

test('of a share of the requests the loops are batched, of the others they are not; all are answered the same', async () => {
  const { observer, request } = hookedPg();
  await using database = await createTestDatabase(schemaSql);
  await using pool = poolOn(database.url);
  const policy = await policyFor(database.client, author, { parent: list });
  const expected = await loop(pool, 10, 30);
  let isDrawn = true;
  using inForce = putInForce(observer, policy, () => isDrawn);
  for (let round = 0; round < 4; round += 1) {
    isDrawn = round % 2 === 0;
    expect(await request(() => loop(pool, 10, 30))).toStrictEqual(expected);
    expect(inForce.take()).toMatchObject(isDrawn ? { callsAhead: 28, batches: 1 } : { callsAhead: 0, batches: 0, callsAlone: 0 });
  }
  expect(inForce.ended).toEqual([]);
});

describe('the terms of a policy', () => {
  let target: Target;
  beforeAll(async () => {
    target = await startTarget('answers.mjs', { FRAMEWORK: 'bare' });
  });
  afterAll(() => target[Symbol.asyncDispose]());
  const compress: Policy = { kind: 'compress-responses', routes: ['/*'] };
  const apply = (policy: Policy, terms: { readonly share?: number; readonly expiresAfterMs?: number }) =>
    target.ask({ type: 'apply-policy', policyId: 'tried', policy, ...terms });

  test('tell its share, where that is not all of the traffic', async () => {
    expect(await apply(compress, { share: 0.5 })).toMatchObject({ type: 'done' });
    const codings: (string | null)[] = [];
    for (let number = 0; number < 60; number += 1) {
      const answer = await fetch(`http://127.0.0.1:${target.port}/big`, { headers: { 'accept-encoding': 'gzip' } });
      codings.push(answer.headers.get('content-encoding'));
      await answer.arrayBuffer();
    }
    // All of 60 on one side would be chance once in 10^18.
    expect(new Set(codings)).toEqual(new Set(['gzip', null]));
    const { policies } = await target.flush();
    expect(policies).toMatchObject([{ share: 0.5, figures: { compressed: codings.filter((coding) => coding === 'gzip').length } }]);
    await target.ask({ type: 'revoke-policy', policyId: 'tried' });
  });

  test.each([0, -0.5, 1.5, Number.NaN])('cannot be a share of %s', async (share) => {
    expect(await apply(compress, { share })).toMatchObject({
      type: 'refused',
      reason: expect.stringContaining('share of the traffic') as string,
    });
  });

  test('cannot be a share where what is changed is one for all requests', async () => {
    const policy: Policy = { kind: 'pool-size', pool: 'any', max: 2 };
    expect(await apply(policy, { share: 0.5 })).toMatchObject({
      type: 'refused',
      reason: expect.stringMatching(/pool-size.*cannot be given a share/) as string,
    });
  });

  test('end it when its time is over, and the next summary says so', async () => {
    expect(await apply(compress, { expiresAfterMs: 50 })).toMatchObject({ type: 'done' });
    const told: string[] = [];
    await expect
      .poll(async () => told.push(...(await target.flush()).problems) && told.join())
      .toContain('the policy tried ended: the time that it was given was over');
    expect((await target.flush()).policies).toEqual([]);
  });
});
