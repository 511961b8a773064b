import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { applicationFile, CallSiteSampler, CaptureBudget } from './call-site.ts';

test("only the application's own files can be a place", () => {
  expect(applicationFile('/srv/app/a.js')).toBe('/srv/app/a.js');
  expect(applicationFile('file:///srv/my%20app/a.mjs')).toBe('/srv/my app/a.mjs');
  expect(applicationFile('/srv/app/node_modules/pg/lib/client.js')).toBeNull();
  expect(applicationFile('node:internal/process/task_queues')).toBeNull();
  expect(applicationFile('evalmachine.<anonymous>')).toBeNull();
  expect(applicationFile(fileURLToPath(new URL('../observer.ts', import.meta.url)))).toBeNull();
  expect(applicationFile(null)).toBeNull();
});

test('stacks are taken for the first 20 calls, then 1 in 1,024, and again when a new route asks', () => {
  const sampler = new CallSiteSampler();
  const taken = (calls: number) => Array.from({ length: calls }, () => sampler.wants()).filter(Boolean).length;
  expect(taken(20)).toBe(20);
  expect(taken(1000)).toBe(0);
  expect(taken(4)).toBe(1);
  sampler.askAgain();
  expect(taken(10)).toBe(4);
});

test('telling two places apart costs at most 200 stacks a second', () => {
  const budget = new CaptureBudget();
  for (let stack = 0; stack < 200; stack += 1) {
    expect(budget.take(5)).toBe(true);
    budget.spend();
  }
  expect(budget.take(900)).toBe(false);
  expect(budget.take(1000)).toBe(true);
});
