import { expect, test } from 'vitest';
import { parseConfig, resolveSettings } from './config.ts';

const config = (redisUrl: string) =>
  parseConfig({ target: { start: 'node app.js' }, workload: { urls: ['/'] }, cache: { redisUrl } }, 'anneal.config.ts');

test.each([
  ['redis://127.0.0.1:6380', { host: '127.0.0.1', port: 6380 }],
  ['redis://cache.internal/0', { host: 'cache.internal', port: 6379 }],
  ['redis://[::1]:7000/', { host: '::1', port: 7000 }],
])('a Redis that processes share is taken apart: %s', (url, sharedCache) => {
  expect(resolveSettings(config(url), '/srv', {})).toMatchObject({ sharedCache });
});

test('where nobody names one there is none, whatever the environment holds', () => {
  const silent = parseConfig({ target: { start: 'node app.js' }, workload: { urls: ['/'] } }, 'anneal.config.ts');
  expect(resolveSettings(silent, '/srv', { REDIS_URL: 'redis://127.0.0.1:6379' }).sharedCache).toBeUndefined();
});

test.each([
  'redis://user:secret@127.0.0.1:6379',
  'redis://:secret@127.0.0.1',
  'rediss://127.0.0.1',
  'redis://127.0.0.1/3',
  '127.0.0.1:6379',
])('what the agent cannot talk to by itself is refused, and no password is repeated: %s', (url) => {
  expect(() => config(url)).toThrow(/cache\.redisUrl: redis:\/\/host:port, without a password/);
  expect(() => config(url)).not.toThrow(/secret/);
});

const sharing = (sameForEveryone: object) =>
  parseConfig({ target: { start: 'node app.js' }, workload: { urls: ['/'] }, cache: { sameForEveryone } }, 'anneal.config.ts');

test('answers are the same for everybody where the owner says so, route by route, with the headers that tell who asks', () => {
  const { sameForEveryone, sharedCache } = resolveSettings(sharing({ '/posts/:id': ['Authorization', 'cookie'] }), '/srv', {});
  expect(sameForEveryone).toEqual(new Map([['/posts/:id', ['authorization', 'cookie']]]));
  expect(sharedCache).toBeUndefined();
  const silent = parseConfig({ target: { start: 'node app.js' }, workload: { urls: ['/'] } }, 'anneal.config.ts');
  expect(resolveSettings(silent, '/srv', {}).sameForEveryone).toBeUndefined();
});

test.each([
  [{ '/posts/:id': [] }, /sameForEveryone\./],
  [{ 'GET /posts/:id': ['cookie'] }, /sameForEveryone/],
  [{ '/posts/:id': ['a header'] }, /sameForEveryone/],
  [{ '/posts/:id': ['Accept'] }, /says what is asked for, not who asks/],
])('what would give out something else than the owner means is refused: %j', (given, problem) => {
  expect(() => sharing(given)).toThrow(problem);
});
