import { Server } from 'node:http';
import { describe, expect, test } from 'vitest';
import { refusalOf, serve, startPolicy } from '../../test/policy-bench.ts';
import { TokenBuckets } from './admission/token-buckets.ts';
import { limitRate, type LimitRatePolicy } from './limit-rate.ts';

/** Slow enough that nothing comes back while a test runs. */
const policy: LimitRatePolicy = {
  kind: 'limit-rate',
  name: 'clients',
  per: [{ header: 'X-Api-Key' }],
  ratePerSecond: 0.01,
  burst: 3,
  exempt: [],
};

const answering = () => serve((_request, response) => response.end('answer'));
const as = (key: string) => ({ headers: { 'x-api-key': key } });

test('each client has its own allowance, is told what is left of it, and when to come back', async () => {
  await using served = await answering();
  using started = startPolicy(limitRate, policy);
  const left: (string | null)[] = [];
  for (let number = 0; number < 3; number += 1) {
    const answer = await fetch(served.url, as('one'));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('ratelimit-policy')).toBe('"clients";q=3;w=300');
    left.push(/^"clients";r=(\d+);t=\d+$/.exec(answer.headers.get('ratelimit') ?? '')?.[1] ?? null);
  }
  expect(left).toEqual(['2', '1', '0']);
  const refused = await fetch(served.url, as('one'));
  expect(refused.status).toBe(429);
  expect(await refused.text()).toBe('Too many requests.\n');
  const waitSeconds = Number(refused.headers.get('retry-after'));
  expect(waitSeconds).toBeGreaterThan(90);
  expect(waitSeconds).toBeLessThanOrEqual(100);
  expect(refused.headers.get('ratelimit')).toBe(`"clients";r=0;t=${waitSeconds}`);
  expect((await fetch(served.url, as(`${'long'.repeat(1_000)}two`))).status).toBe(200);
  expect((await fetch(`${served.url}/healthz`, as('one'))).headers.has('ratelimit')).toBe(false);
  expect(started.take()).toEqual({ admitted: 4, refused: 1, identities: 2 });
});

test('routes and addresses are told apart where that is asked for, and what looks like data is one route', async () => {
  await using served = await answering();
  using _started = startPolicy(limitRate, { ...policy, per: ['route', 'address'], burst: 2 });
  const statuses: number[] = [];
  for (const path of ['/orders/1', '/orders/2', '/orders/3', '/customers', '/orders?page=4'])
    statuses.push((await fetch(served.url + path)).status);
  expect(statuses).toEqual([200, 200, 429, 200, 200]);
});

test('two limits hold together, off is off at once, and the last one leaves nothing behind', async () => {
  const before = Object.getOwnPropertyDescriptor(Server.prototype, 'emit');
  await using served = await answering();
  using first = startPolicy(limitRate, { ...policy, burst: 1 });
  using second = startPolicy(limitRate, { ...policy, name: 'all', per: [], burst: 2 });
  const answer = await fetch(served.url, as('one'));
  expect(answer.headers.get('ratelimit-policy')).toBe('"clients";q=1;w=100, "all";q=2;w=200');
  expect((await fetch(served.url, as('one'))).status).toBe(429);
  first.switch(false);
  expect((await fetch(served.url, as('one'))).status).toBe(200);
  expect((await fetch(served.url, as('two'))).status).toBe(429);
  // Taken away in the order they came in, not in the reverse.
  first.running.stop();
  second.running.stop();
  expect((await fetch(served.url, as('one'))).headers.has('ratelimit')).toBe(false);
  expect(Object.getOwnPropertyDescriptor(Server.prototype, 'emit')).toEqual(before);
});

test('what somebody has wrapped in turn stays in place and lets everything through, also when a limit is set again', async () => {
  await using served = await answering();
  const before = Object.getOwnPropertyDescriptor(Server.prototype, 'emit');
  const first = startPolicy(limitRate, { ...policy, burst: 1 });
  const wrapped: unknown = Reflect.get(Server.prototype, 'emit');
  Server.prototype.emit = function emit(this: Server, ...args: unknown[]) {
    return Reflect.apply(wrapped as () => boolean, this, args);
  };
  try {
    first.running.stop();
    expect((await fetch(served.url, as('one'))).headers.has('ratelimit')).toBe(false);
    using second = startPolicy(limitRate, { ...policy, burst: 2 });
    const statuses = [await fetch(served.url, as('one')), await fetch(served.url, as('one')), await fetch(served.url, as('one'))].map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([200, 200, 429]);
    expect(second.take()).toMatchObject({ admitted: 2, refused: 1 });
  } finally {
    if (before === undefined) Reflect.deleteProperty(Server.prototype, 'emit');
    else Object.defineProperty(Server.prototype, 'emit', before);
  }
});

test('limits that cannot be meant are refused', () => {
  expect(refusalOf(limitRate, { ...policy, name: 'a "name"' })).toContain('name must be letters, digits, - and _');
  expect(refusalOf(limitRate, { ...policy, ratePerSecond: 0 })).toContain('ratePerSecond must be a number above 0');
  expect(refusalOf(limitRate, { ...policy, burst: 0.5 })).toContain('burst must be a whole number from 1, not 0.5');
  expect(refusalOf(limitRate, { ...policy, per: [{ header: 'x y' }] })).toContain('per must be a list');
  expect(refusalOf(limitRate, policy, [{ id: 'first', policy }])).toBe('the limit clients is already kept by the policy first');
});

describe('a token bucket', () => {
  test('fills at its rate, up to a burst and no further', () => {
    const buckets = new TokenBuckets(10, 2, 100);
    expect(buckets.take('a', 0)).toEqual({ allowed: true, remaining: 1, waitSeconds: 0.1 });
    expect(buckets.take('a', 0)).toMatchObject({ allowed: true, remaining: 0 });
    expect(buckets.take('a', 50)).toEqual({ allowed: false, remaining: 0, waitSeconds: 0.05 });
    expect(buckets.take('a', 100)).toMatchObject({ allowed: true });
    expect(buckets.take('a', 100_000)).toMatchObject({ allowed: true, remaining: 1 });
  });

  test('is dropped when there are more identities than are kept: the one that was silent longest', () => {
    const buckets = new TokenBuckets(1, 1, 2);
    buckets.take('a', 0);
    buckets.take('b', 0);
    buckets.take('a', 1);
    buckets.take('c', 2);
    expect(buckets.size).toBe(2);
    expect(buckets.take('a', 3).allowed).toBe(false);
    expect(buckets.take('b', 3).allowed).toBe(true);
  });
});
