import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rawRequest, type RawAnswer } from '../../test/raw-request.ts';
import { startTarget, type Target } from '../../test/target.ts';

const policy = { kind: 'compress-responses', routes: ['/*'] } as const;
const apply = (target: Target) => target.ask({ type: 'apply-policy', policyId: 'compress', policy });
const revoke = (target: Target) => target.ask({ type: 'revoke-policy', policyId: 'compress' });
const gzip = { 'accept-encoding': 'gzip' };

async function startedWith(framework: string): Promise<Target> {
  return startTarget('answers.mjs', { FRAMEWORK: framework });
}

/** Headers that say what an answer is, without those of the moment and of its framing. */
function meaning({ headers }: RawAnswer) {
  const passing = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !passing.has(name)));
}

const leftAlone = [
  ['/small', 'it fits into one packet'],
  ['/encoded', 'it is encoded already'],
  ['/untouchable', 'it says that nobody may transform it'],
  ['/image', 'its own format compresses it'],
  ['/events', 'it is an event stream'],
  ['/missing', 'it is no success'],
  ['/nothing', 'it has no body'],
  ['/stream', 'it comes in pieces'],
] as const;

describe.each(['bare', 'express', 'fastify'])('answers of %s', (framework) => {
  let target: Target;
  beforeAll(async () => {
    target = await startedWith(framework);
  });
  afterAll(() => target[Symbol.asyncDispose]());

  test('are compressed as the client asks, say so, and mean what they meant', async () => {
    const plain = await rawRequest(target.port, '/big');
    expect(await apply(target)).toMatchObject({ type: 'done' });
    const codings = [
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ] as const;
    for (const [coding, decompress] of codings) {
      const answer = await rawRequest(target.port, '/big', { headers: { 'accept-encoding': coding } });
      expect(meaning(answer)).toEqual({ ...meaning(plain), 'content-encoding': coding, vary: expect.stringMatching(/accept-encoding/i) });
      expect(decompress(answer.body).equals(plain.body)).toBe(true);
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
      expect(answer.body.length * 5).toBeLessThan(plain.body.length);
    }
    const buffered = await rawRequest(target.port, '/text', { headers: gzip });
    expect(gunzipSync(buffered.body).equals((await rawRequest(target.port, '/text')).body)).toBe(true);
    const summary = await target.flush();
    expect(summary.problems).toEqual([]);
    expect(summary.policies).toMatchObject([{ figures: { compressed: 3 } }]);
    expect(target.output()).toBe('');
    await revoke(target);
  });

  test('are left alone byte by byte where compressing them would gain nothing or break something', async () => {
    for (const [path, why] of leftAlone) {
      const before = await rawRequest(target.port, path, { headers: gzip });
      await apply(target);
      const after = await rawRequest(target.port, path, { headers: gzip });
      await revoke(target);
      const { date: _, ...headers } = after.headers;
      const { date: __, ...expected } = before.headers;
      expect({ ...headers, status: after.status }, why).toEqual({ ...expected, status: before.status });
      expect(after.body.equals(before.body), why).toBe(true);
    }
  });
});

test('answers that a framework injects, and that never were on a connection, pass', async () => {
  await using target = await startedWith('fastify');
  await apply(target);
  const answer = await rawRequest(target.port, '/injected', { headers: gzip });
  expect(JSON.parse(gunzipSync(answer.body).toString())).toHaveLength(300);
  expect((await target.flush()).problems).toEqual([]);
});

describe('on a bare server', () => {
  let target: Target;
  beforeAll(async () => {
    target = await startedWith('bare');
  });
  afterAll(() => target[Symbol.asyncDispose]());
  afterEach(() => revoke(target));

  test('the coding is the one that the client would rather have', async () => {
    await apply(target);
    for (const [accepted, coding] of [
      ['gzip, br', 'br'],
      ['gzip;q=1.0, br;q=0.5', 'gzip'],
      ['gzip;q=0', undefined],
      ['identity', undefined],
      ['identity;q=1, gzip;q=0.5', undefined],
      ['*', 'br'],
      ['deflate', undefined],
      ['GZIP', 'gzip'],
      ['br;q=nonsense, gzip', 'gzip'],
      ['', undefined],
    ] as const) {
      const answer = await rawRequest(target.port, '/big', { headers: { 'accept-encoding': accepted } });
      expect(answer.headers['content-encoding'], accepted).toBe(coding);
    }
  });

  test('a strong tag becomes a weak one, ranges are offered no more, other variance stays, cookies stay', async () => {
    await apply(target);
    const tagged = await rawRequest(target.port, '/tagged', { headers: gzip });
    expect(tagged.headers).toMatchObject({ etag: 'W/"v1"', 'content-encoding': 'gzip' });
    expect(tagged.headers['accept-ranges']).toBeUndefined();
    expect((await rawRequest(target.port, '/varied', { headers: gzip })).headers.vary).toBe('Origin, Accept-Encoding');
    expect((await rawRequest(target.port, '/cookie', { headers: gzip })).headers['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  test('HEAD and POST are left alone, and so are routes that are not named', async () => {
    await target.ask({ type: 'apply-policy', policyId: 'compress', policy: { ...policy, routes: ['/text'] } });
    expect((await rawRequest(target.port, '/text', { method: 'HEAD', headers: gzip })).headers['content-encoding']).toBeUndefined();
    expect((await rawRequest(target.port, '/text', { method: 'POST', headers: gzip })).headers['content-encoding']).toBeUndefined();
    expect((await rawRequest(target.port, '/big', { headers: gzip })).headers['content-encoding']).toBeUndefined();
    expect((await rawRequest(target.port, '/text', { headers: gzip })).headers['content-encoding']).toBe('gzip');
  });

  test('an answer is not compressed once Anneal has said off, although the busy application has not heard it', async () => {
    await apply(target);
    const whileOn = await rawRequest(target.port, '/blocked', { headers: gzip });
    expect(whileOn.headers['content-encoding']).toBe('gzip');
    const blocked = rawRequest(target.port, '/blocked', { headers: gzip });
    // The request is in the handler, which blocks for 400 ms; the answer to the order can only come after it.
    await sleep(100);
    const switched = target.ask({ type: 'switch-policy', policyId: 'compress', on: false });
    expect((await blocked).headers['content-encoding']).toBeUndefined();
    expect(await switched).toMatchObject({ type: 'done' });
  });

  test('nor once Anneal is gone', async () => {
    await using target = await startedWith('bare');
    await apply(target);
    const blocked = rawRequest(target.port, '/blocked', { headers: gzip });
    await sleep(100);
    target.loseListener();
    expect((await blocked).headers['content-encoding']).toBeUndefined();
  });

  test('where the head cannot be changed the answer is the application’s own, and the policy ends with the reason', async () => {
    await using target = await startedWith('bare');
    await apply(target);
    const answer = await rawRequest(target.port, '/stubborn', { headers: gzip });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json; charset=utf-8' } });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.body.equals((await rawRequest(target.port, '/big')).body)).toBe(true);
    const { policies, problems } = await target.flush();
    expect(policies).toEqual([]);
    expect(problems).toEqual([expect.stringContaining('the policy compress ended: Cannot')]);
    expect((await rawRequest(target.port, '/big', { headers: gzip })).headers['content-encoding']).toBeUndefined();
  });

  test('clients that go away while their answer is compressed disturb nobody', async () => {
    await using target = await startedWith('bare');
    await apply(target);
    const leaving = new AbortController();
    const left = Promise.allSettled(
      Array.from({ length: 3 }, () => rawRequest(target.port, '/blocked', { headers: gzip, signal: leaving.signal })),
    );
    await sleep(450);
    leaving.abort();
    await left;
    await target.ask({ type: 'revoke-policy', policyId: 'compress' });
    expect((await rawRequest(target.port, '/big', { headers: gzip })).headers['content-encoding']).toBeUndefined();
    expect((await target.flush()).problems).toEqual([]);
    expect(await target.finish()).toBe(0);
    expect(target.output()).toBe('');
  });
});
