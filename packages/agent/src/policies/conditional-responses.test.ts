import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { rawRequest } from '../../test/raw-request.ts';
import { startTarget, type Target } from '../../test/target.ts';

const routes = ['/*'];
const apply = (target: Target) =>
  target.ask({ type: 'apply-policy', policyId: 'conditional', policy: { kind: 'conditional-responses', routes } });

describe.each(['bare', 'express', 'fastify'])('answers of %s', (framework) => {
  test('have a tag, and a client that has the answer is told so with an empty 304', async () => {
    await using target = await startTarget('answers.mjs', { FRAMEWORK: framework });
    const { headers: plain, body } = await rawRequest(target.port, '/varied');
    await apply(target);
    const tagged = await rawRequest(target.port, '/varied');
    expect(tagged.body.equals(body)).toBe(true);
    expect(tagged.headers).toMatchObject({
      etag: expect.stringMatching(/^W\/"[^"]+"$/),
      'content-type': plain['content-type'],
      vary: 'Origin',
    });
    expect((await rawRequest(target.port, '/varied')).headers.etag).toBe(tagged.headers.etag);
    expect((await rawRequest(target.port, '/text')).headers.etag).not.toBe(tagged.headers.etag);

    const again = await rawRequest(target.port, '/varied', { headers: { 'if-none-match': tagged.headers.etag! } });
    expect(again).toMatchObject({ status: 304, statusMessage: 'Not Modified', headers: { etag: tagged.headers.etag, vary: 'Origin' } });
    expect(again.body).toHaveLength(0);
    expect(again.headers['content-type']).toBeUndefined();
    // The connection is still in step: the next answer on it is whole.
    expect((await rawRequest(target.port, '/varied', { headers: { 'if-none-match': '"other"' } })).body.equals(body)).toBe(true);
    expect((await target.flush()).problems).toEqual([]);
    expect(target.output()).toBe('');
  });

  test('are left alone where they set cookies, are not to be stored, come in pieces or are no success', async () => {
    await using target = await startTarget('answers.mjs', { FRAMEWORK: framework });
    for (const path of ['/cookie', '/unstored', '/stream', '/missing', '/nothing']) {
      const before = await rawRequest(target.port, path);
      await apply(target);
      const after = await rawRequest(target.port, path, { headers: { 'if-none-match': before.headers.etag ?? '*' } });
      // Express compares tags of its own accord, for every success.
      const empty = framework === 'express' && after.status === 304;
      expect(after.body.equals(empty ? Buffer.alloc(0) : before.body), path).toBe(true);
      expect(empty ? 200 : after.status, path).toBe(before.status);
      expect(after.headers.etag, path).toBe(before.headers.etag);
      await target.ask({ type: 'revoke-policy', policyId: 'conditional' });
    }
  });
});

test('tags are compared as the standard says: weakly, in lists, and * stands for any', async () => {
  await using target = await startTarget('answers.mjs', { FRAMEWORK: 'bare' });
  await apply(target);
  const { etag } = (await rawRequest(target.port, '/big')).headers;
  for (const [sent, status] of [
    [`"one", ${etag!}, "two"`, 304],
    [etag!.slice(2), 304],
    ['*', 304],
    ['"one"', 200],
    [etag!.slice(3, -1), 200],
    ['', 200],
  ] as const) {
    expect((await rawRequest(target.port, '/big', { headers: { 'if-none-match': sent } })).status, sent).toBe(status);
  }
  // The application's own tag is used where it has one.
  expect((await rawRequest(target.port, '/tagged', { headers: { 'if-none-match': 'W/"v1"' } })).status).toBe(304);
  expect((await rawRequest(target.port, '/tagged')).headers.etag).toBe('"v1"');
});

test.each([
  ['compress', 'conditional'],
  ['conditional', 'compress'],
])('with compression in force (%s first) a compressed answer has a tag that is known again', async (...order) => {
  await using target = await startTarget('answers.mjs', { FRAMEWORK: 'bare' });
  for (const policyId of order) {
    const kind = policyId === 'compress' ? 'compress-responses' : 'conditional-responses';
    await target.ask({ type: 'apply-policy', policyId, policy: { kind, routes } });
  }
  const headers = { 'accept-encoding': 'gzip' };
  const plain = await rawRequest(target.port, '/big');
  const compressed = await rawRequest(target.port, '/big', { headers });
  expect(compressed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
  expect(gunzipSync(compressed.body).equals(plain.body)).toBe(true);
  const again = await rawRequest(target.port, '/big', { headers: { ...headers, 'if-none-match': compressed.headers.etag! } });
  expect(again).toMatchObject({ status: 304, headers: { vary: 'Accept-Encoding' } });
  expect(again.headers['content-encoding']).toBeUndefined();
});
