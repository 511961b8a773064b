import { expect, test } from 'vitest';
import { routeOfStep, stepIsOfRoute } from './route-of-step.ts';

test('a step belongs to the route whose parameters its variables fill', () => {
  expect(stepIsOfRoute('GET /posts/{postId}/comments?page=2', 'GET /posts/:id/comments')).toBe(true);
  expect(stepIsOfRoute('GET /posts/17', 'GET /posts/:id')).toBe(true);
  expect(stepIsOfRoute('GET /', 'GET /')).toBe(true);
});

test('of several routes that fit it is asked for the one that leaves least open', () => {
  const routes = ['GET /users/:id', 'GET /users/newcomers', 'POST /users/newcomers'];
  expect(routeOfStep('GET /users/newcomers', routes)).toBe('GET /users/newcomers');
  expect(routeOfStep('GET /users/{user}', routes)).toBe('GET /users/:id');
  expect(routeOfStep('GET /posts', routes)).toBeNull();
});

test('method, length and fixed segments must agree', () => {
  expect(stepIsOfRoute('POST /posts', 'GET /posts')).toBe(false);
  expect(stepIsOfRoute('GET /posts/{id}', 'GET /posts')).toBe(false);
  expect(stepIsOfRoute('GET /users/{id}', 'GET /posts/:id')).toBe(false);
});
