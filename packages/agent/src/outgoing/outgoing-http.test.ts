import { expect, test } from 'vitest';
import { HttpOperations } from './outgoing-http.ts';

test('names stay, identifiers and queries do not', () => {
  const operations = new HttpOperations();
  expect(operations.nameOf('a', 'GET', '/users/17/orders?after=3')).toBe('GET /users/:id/orders');
  expect(operations.nameOf('a', 'POST', '/users')).toBe('POST /users');
  expect(operations.nameOf('a', 'GET', '/')).toBe('GET /');
});

test('a segment that varies more than names do is data, at its place and for its service only', () => {
  const operations = new HttpOperations();
  for (let member = 0; member < 40; member += 1)
    operations.nameOf('a', 'GET', `/members/${'abcdefgh'[member % 8]}${'xyzuv'[Math.floor(member / 8)]}/posts`);
  expect(operations.nameOf('a', 'GET', '/members/ada/posts')).toBe('GET /members/:id/posts');
  expect(operations.nameOf('a', 'GET', '/members/ax/likes')).toBe('GET /members/:id/likes');
  expect(operations.nameOf('a', 'GET', '/topics/tea')).toBe('GET /topics/tea');
  expect(operations.nameOf('b', 'GET', '/members/ada/posts')).toBe('GET /members/ada/posts');
});

test('hostile paths make neither long names nor many places', () => {
  const operations = new HttpOperations();
  expect(operations.nameOf('a', 'GET', '/x'.repeat(1000)).length).toBeLessThan(40);
  const names = new Set<string>();
  for (let peer = 0; peer < 3_000; peer += 1) {
    for (let path = 0; path < 20; path += 1)
      names.add(`${peer} ${operations.nameOf(`peer-${peer}`, 'GET', `/${'abcdefghijklmnopqrst'[path]}`)}`);
  }
  expect(names.size).toBeLessThan(20_000 + 3_000 + 1);
});
