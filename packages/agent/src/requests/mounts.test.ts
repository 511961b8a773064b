import { expect, test } from 'vitest';
import { mountedAt, mountName } from './mounts.ts';
import { expressRoute } from './route-name.ts';

test('a path up to a router is named by its mounts: words before parameters, one mount in another, the rest by its looks', () => {
  for (const path of ['/', '/health', '/files/*path', '/ab?c']) mountedAt(path);
  expect(mountName('/shops/lisbon/4')).toBe('/shops/lisbon/:id');
  for (const path of ['/:tenant', '/orders', '/shops/:shop/orders']) mountedAt(path);
  expect(mountName('/health')).toBe('/health');
  expect(mountName('/acme')).toBe('/:tenant');
  expect(mountName('/Acme/Orders')).toBe('/:tenant/orders');
  expect(mountName('/shops/lisbon/orders')).toBe('/shops/:shop/orders');
  expect(mountName('/health/acme/orders')).toBe('/health/:tenant/orders');
  expect(expressRoute({ route: { path: '/:order' }, baseUrl: '/acme/orders' }, '/acme/orders/9')).toBe('/:tenant/orders/:order');
  // A handler that failed: the router is left and its mount with it.
  expect(expressRoute({ route: { path: '/:order' }, baseUrl: '' }, '/acme/orders/9')).toBe('/:tenant/orders/:order');
});

test('neither the mounts nor the paths that are remembered grow without end', () => {
  for (let number = 0; number < 3_000; number += 1) mountedAt(`/mounted${number}/:thing`);
  expect(mountName('/mounted10/blue')).toBe('/mounted10/:thing');
  for (let number = 0; number < 3_000; number += 1) expect(mountName(`/tenant-${number}`)).toBe('/:tenant');
  expect(mountName('/mounted2999/blue')).toBe('/:tenant/:tenant');
});
