import { expect, test } from 'vitest';
import { aWindow } from './fixtures/window.ts';
import { waitCells, waitHeadings, waitsOf } from './waits.ts';

const route = { ...aWindow().routes[0]!, totalMs: 1_000, poolWaitMs: 50, queryMs: 300, redisMs: 20, outgoingMs: 400, cpuMs: 80 };

test('the parts of a request’s time are told apart, and what is left is the rest', () => {
  const waits = waitsOf(route)!;
  expect(waits).toMatchObject({ pool: 0.05, queries: 0.3, redis: 0.02, services: 0.4, ownCpu: 0.08 });
  expect(waits.rest).toBeCloseTo(0.15);
});

test('parts side by side leave no rest, and no part is more than the whole', () => {
  expect(waitsOf({ ...route, queryMs: 700, poolWaitMs: 5_000 })).toMatchObject({ pool: 1, queries: 0.7, rest: 0 });
});

test('without a profile the own CPU is not known, and a route that took no time has no parts', () => {
  expect(waitsOf({ ...route, cpuMs: null })).toMatchObject({ ownCpu: null });
  expect(waitCells({ ...route, cpuMs: null }, String)[4]).toBe('');
  expect(waitsOf({ ...route, totalMs: 0 })).toBeNull();
  expect(waitCells({ ...route, totalMs: 0 }, String)).toHaveLength(waitHeadings.length);
});
