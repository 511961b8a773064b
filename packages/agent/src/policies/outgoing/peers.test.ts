import { expect, test } from 'vitest';
import { meet, peerMatcher } from './peers.ts';

test('a peer is its host and port, or any port of its host', () => {
  const exact = peerMatcher(['wms:8080', 'api.example']);
  expect(['wms:8080', 'api.example'].map(exact)).toEqual([true, true]);
  expect(['wms', 'wms:80', 'api.example:8443'].map(exact)).toEqual([false, false, false]);
  const any = peerMatcher(['127.0.0.1:*', '[::1]:*', 'wms:8080']);
  expect(['127.0.0.1:40123', '127.0.0.1', '[::1]:9', '[::1]', 'wms:8080'].map(any)).toEqual([true, true, true, true, true]);
  expect(['127.0.0.2:40123', 'wms:8081', '27.0.0.1:1'].map(any)).toEqual([false, false, false]);
});

test('two lists meet where one names what the other holds', () => {
  expect(meet(['a:1'], ['b:1', 'a:1'])).toBe(true);
  expect(meet(['a:*'], ['a:1'])).toBe(true);
  expect(meet(['a:1'], ['a:*'])).toBe(true);
  expect(meet(['a:*'], ['a:*'])).toBe(true);
  expect(meet(['a:1'], ['a:2', 'b:*'])).toBe(false);
});
