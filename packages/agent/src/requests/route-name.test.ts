import { expect, test } from 'vitest';
import { expressRoute } from './route-name.ts';
import { templatedPath } from './templated-path.ts';

test('segments that are data become :id and words stay', () => {
  expect(templatedPath('/posts/42/comments/7?page=2')).toBe('/posts/:id/comments/:id');
  expect(templatedPath('/users/0b0d3f2e-6c39-4d0e-9d8f-3c1f5d1f9d11')).toBe('/users/:id');
  expect(templatedPath('/objects/507f1f77bcf86cd799439011')).toBe('/objects/:id');
  expect(templatedPath('/files/01ARZ3NDEKTSV4RRFFQ69G5FAV/meta')).toBe('/files/:id/meta');
  expect(templatedPath('/search/caf%C3%A9')).toBe('/search/:id');
  expect(templatedPath('/api/v1/oauth2/recommendations-for-you')).toBe('/api/v1/oauth2/recommendations-for-you');
});

test('any form of request target gives a path', () => {
  expect(templatedPath('/')).toBe('/');
  expect(templatedPath('/?a=1')).toBe('/');
  expect(templatedPath('http://example.com/posts/1#top')).toBe('/posts/:id');
  expect(templatedPath('*')).toBe('*');
});

test("Express's pattern follows its router's mount, which is read from the URL when a failing handler lost it", () => {
  expect(expressRoute({ route: { path: '/:id' }, baseUrl: '/posts' }, '/posts/1')).toBe('/posts/:id');
  expect(expressRoute({ route: { path: '/' }, baseUrl: '/shops/4/orders' }, '/shops/4/orders')).toBe('/shops/:id/orders');
  expect(expressRoute({ route: { path: '/' }, baseUrl: '' }, '/')).toBe('/');
  expect(expressRoute({ route: { path: '/:order' }, baseUrl: '' }, '/shops/4/orders/9')).toBe('/shops/:id/orders/:order');
  expect(expressRoute({ route: { path: ['/a', '/b'] } }, '/a')).toBe('/a');
  expect(expressRoute({ route: { path: /^\/x/ } }, '/xyz')).toBe('/^\\/x/');
  expect(expressRoute({ route: { path: '/files/*path' }, baseUrl: '' }, '/files/a/b/c')).toBe('/files/*path');
  expect(expressRoute({}, '/posts/1')).toBeNull();
});
