import { expect, test } from 'vitest';
import { startTarget } from '../../test/target.ts';

test.each([
  ['express', 'import'],
  ['express', 'require'],
  ['fastify', 'import'],
  ['fastify', 'require'],
  ['koa', 'import'],
  ['koa', 'require'],
  ['hono', 'import'],
  ['hono', 'require'],
  ['nest', 'import'],
  ['nest', 'require'],
])('%s routes (%s) are named by their patterns, mounted and refused ones included', async (framework, modules) => {
  await using target = await startTarget('frameworks.mjs', { FRAMEWORK: framework, MODULES: modules });
  for (const path of ['/authors/ada', '/authors/grace', '/shops/lisbon/orders/blue', '/failing/ada', '/nowhere/17']) {
    await (await target.get(path)).text();
  }
  await (await target.get('/authors/ada', { headers: { authorization: 'refused' } })).text();
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  const counts = Object.fromEntries(summary.routes.map(({ route, requests, errors }) => [route, [requests, errors]]));
  expect(counts).toMatchObject({ '/shops/:shop/orders/:order': [1, 0], '/failing/:name': [1, 1], '/nowhere/:id': [1, 0] });
  // A middleware of Koa or Express that refuses never asks the router: that request is named by its URL.
  expect(counts['/authors/:name']).toEqual([framework === 'koa' || framework === 'express' ? 2 : 3, 0]);
});
