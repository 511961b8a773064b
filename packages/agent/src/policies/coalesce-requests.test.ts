import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { announce, arrived, begun, gathered, runsOf } from '../../test/gathering.ts';
import { rawRequest, type RawAnswer } from '../../test/raw-request.ts';
import { startTarget, type Target } from '../../test/target.ts';

const routes = ['/slow', '/slow/:id', '/value', '/fails', '/cookies', '/hangs', '/stream'];
const policy = { kind: 'coalesce-requests', routes, longestWaitMs: 30_000 } as const;
const apply = (target: Target, changes = {}) =>
  target.ask({ type: 'apply-policy', policyId: 'coalesce', policy: { ...policy, ...changes } });

const revoke = (target: Target) => target.ask({ type: 'revoke-policy', policyId: 'coalesce' });

type Headers = Readonly<Record<string, string>>;
/** One request, and when the application works on it, the others at once. */
const together = (target: Target, path: string, others: number, headersOf: (index: number) => Headers = () => ({})) =>
  gathered(
    target,
    path,
    Array.from({ length: others + 1 }, (_, index) => () => rawRequest(target.port, path, { headers: headersOf(index) })),
  );
const bodies = (answers: readonly RawAnswer[]) => new Set(answers.map(({ body }) => body.toString())).size;
const json = (answer: RawAnswer) => JSON.parse(answer.body.toString()) as Readonly<Record<string, unknown>>;
const figures = async (target: Target) => {
  const { policies, problems } = await target.flush();
  expect(problems).toEqual([]);
  return policies[0]!.figures;
};

describe.each(['bare', 'express', 'fastify'])('identical requests to %s', (framework) => {
  let target: Target;
  beforeAll(async () => {
    target = await startTarget('answers.mjs', { FRAMEWORK: framework });
  });
  afterAll(() => target[Symbol.asyncDispose]());
  beforeEach(async () => apply(target));
  afterEach(() => revoke(target));

  test('that wait at the same time are worked out once, by work that began after they came', async () => {
    const answers = await together(target, '/slow', 8);
    // One for the first, one for all that came while it ran.
    expect(answers.map((answer) => json(answer)['run'])).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2]);
    const [, leader, ...followers] = answers.map(({ headers, status, body }) => ({ headers: { ...headers, date: '' }, status, body }));
    for (const follower of followers) expect(follower).toEqual(leader);
    expect(await figures(target)).toEqual({ led: 2, shared: 7, alone: 0 });
  });

  test('by different identities are worked out each for its own', async () => {
    for (const name of ['authorization', 'cookie', 'x-api-key', 'accept', 'accept-language', 'user-agent']) {
      const before = await runsOf(target, '/slow');
      await together(target, '/slow', 3, (index) => ({ [name]: `value ${index}` }));
      expect((await runsOf(target, '/slow')) - before, name).toBe(4);
    }
    const before = await runsOf(target, '/slow/1');
    await Promise.all([together(target, '/slow/1', 1), together(target, '/slow/1?page=2', 1)]);
    expect((await runsOf(target, '/slow/1')) - before).toBe(2);
  });

  test('run in their own async context, whoever set them going', async () => {
    const answers = await together(target, '/slow/7', 5, () => ({ 'x-name': 'Ada' }));
    const own = { name: 'Ada', stored: 'Ada', inherited: null };
    for (const answer of answers) expect(json(answer)).toMatchObject({ before: own, after: own });
    expect(await runsOf(target, '/slow/7')).toBe(2);
  });

  test('never get what was true only before they came', async () => {
    await announce(target, 6);
    const reading = rawRequest(target.port, '/value');
    await begun(target, '/value', 0);
    const written = Number(await (await target.get('/value', { method: 'POST' })).text());
    const after = await Promise.all(Array.from({ length: 5 }, () => rawRequest(target.port, '/value')));
    expect(json(await reading)).toEqual({ value: written - 1 });
    expect(after.map(json)).toEqual(Array.from({ length: 5 }, () => ({ value: written })));
  });

  test('each run alone when the one they waited for fails', async () => {
    const answers = await together(target, '/fails', 4);
    expect(answers.map(({ status }) => status)).toEqual([500, 200, 200, 200, 200]);
    expect(await runsOf(target, '/fails')).toBe(5);
    // A failure is no property of the route.
    await together(target, '/fails', 4);
    expect(await runsOf(target, '/fails')).toBe(7);
  });

  test('are not given cookies or streams of others, and such routes are left alone from then on', async () => {
    const answers = await together(target, '/cookies', 4);
    expect(new Set(answers.map(({ headers }) => headers['set-cookie']?.[0])).size).toBe(5);
    expect(bodies(await together(target, '/stream', 4))).toBe(1);
    expect(await figures(target)).toMatchObject({ shared: 0, alone: 8 });
    await together(target, '/cookies', 4);
    expect(await figures(target)).toEqual({ led: 0, shared: 0, alone: 0 });
  });
});

describe('on a bare server', () => {
  let target: Target;
  beforeAll(async () => {
    target = await startTarget('answers.mjs', { FRAMEWORK: 'bare' });
  });
  afterAll(() => target[Symbol.asyncDispose]());
  beforeEach(async () => apply(target));
  afterEach(() => revoke(target));

  test('requests that say something about a copy they have, or want it fresh, run alone', async () => {
    for (const headers of [{ range: 'bytes=0-9' }, { 'if-none-match': '"a"' }, { 'cache-control': 'no-cache' }, { pragma: 'no-cache' }]) {
      const before = await runsOf(target, '/slow');
      await together(target, '/slow', 2, () => headers);
      expect((await runsOf(target, '/slow')) - before, JSON.stringify(headers)).toBe(3);
    }
  });

  test('names of single requests do not keep them apart, and are nobody else’s', async () => {
    const before = await runsOf(target, '/slow');
    await together(target, '/slow', 4, (index) => ({ traceparent: `00-${index}`, 'x-request-id': `request-${index}` }));
    expect((await runsOf(target, '/slow')) - before).toBe(2);
  });

  test('nobody waits longer than the limit for somebody else’s answer', async () => {
    await revoke(target);
    await apply(target, { longestWaitMs: 100 });
    const hanging = rawRequest(target.port, '/hangs');
    await begun(target, '/hangs', 0);
    const others = await Promise.all(Array.from({ length: 3 }, () => rawRequest(target.port, '/hangs')));
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await Promise.race([hanging.then(() => 'answered'), Promise.resolve('still hanging')])).toBe('still hanging');
    await target.get('/let-go');
    await hanging;
  });

  test('clients that go away take nobody with them', async () => {
    const leaving = new AbortController();
    const before = await runsOf(target, '/slow');
    await announce(target, 5);
    const gone = Promise.allSettled([rawRequest(target.port, '/slow', { signal: leaving.signal })]);
    await begun(target, '/slow', before);
    const staying = [rawRequest(target.port, '/slow'), rawRequest(target.port, '/slow')];
    const alsoGone = Promise.allSettled([rawRequest(target.port, '/slow', { signal: leaving.signal })]);
    await arrived(target, 4);
    leaving.abort();
    await Promise.all([gone, alsoGone]);
    staying.push(rawRequest(target.port, '/slow'));
    expect((await Promise.all(staying)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await target.flush()).problems).toEqual([]);
    expect(target.output()).toBe('');
  });

  test('switched off, those that wait run alone at once; revoked, nothing is left', async () => {
    await revoke(target);
    await apply(target);
    await announce(target, 4);
    const hanging = rawRequest(target.port, '/hangs?long');
    await begun(target, '/hangs?long', 0);
    const waiting = Array.from({ length: 3 }, () => rawRequest(target.port, '/hangs?long'));
    await arrived(target, 4);
    await target.ask({ type: 'switch-policy', policyId: 'coalesce', on: false });
    expect(new Set((await Promise.all(waiting)).map((answer) => json(answer)['run']))).toEqual(new Set([2, 3, 4]));
    const worked = async () => {
      const before = await runsOf(target, '/slow');
      await together(target, '/slow', 4);
      return (await runsOf(target, '/slow')) - before;
    };
    expect(await worked()).toBe(5);
    await target.ask({ type: 'switch-policy', policyId: 'coalesce', on: true });
    expect(await worked()).toBe(2);
    await revoke(target);
    expect(await worked()).toBe(5);
    await target.get('/let-go');
    await hanging;
  });

  test('those that were answered by another’s work are counted as requests of their route', async () => {
    await target.flush();
    await together(target, '/slow', 6);
    const { routes: seen } = await target.flush();
    expect(seen.find(({ route }) => route === '/slow')).toMatchObject({ requests: 7, errors: 0 });
  });

  test.each([
    ['before', ['compress', 'coalesce']],
    ['after', ['coalesce', 'compress']],
  ])('with compression applied %s it everybody gets the shared answer in the coding he asked for', async (_name, order) => {
    await revoke(target);
    for (const policyId of order) {
      if (policyId === 'coalesce') await apply(target);
      else await target.ask({ type: 'apply-policy', policyId, policy: { kind: 'compress-responses', routes: ['/slow'] } });
    }
    const before = await runsOf(target, '/slow');
    const answers = await together(target, '/slow', 4, () => ({ 'accept-encoding': 'gzip' }));
    await target.ask({ type: 'revoke-policy', policyId: 'compress' });
    expect((await runsOf(target, '/slow')) - before).toBe(2);
    expect(answers.map(({ headers }) => headers['content-encoding'])).toEqual(Array.from({ length: 5 }, () => 'gzip'));
    const said = answers.map(({ body }) => gunzipSync(body).toString());
    expect(new Set(said.slice(1)).size).toBe(1);
    expect(JSON.parse(said[0]!)).toMatchObject({ posts: expect.any(Array) });
  });

  test('a second policy for the same route is refused', async () => {
    expect(await target.ask({ type: 'apply-policy', policyId: 'second', policy })).toMatchObject({
      type: 'refused',
      reason: 'requests of one of these routes are coalesced by the policy coalesce',
    });
  });
});
