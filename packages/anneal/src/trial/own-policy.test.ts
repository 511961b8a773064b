import type { Policy } from '@anneal/agent/protocol';
import { expect, test } from 'vitest';
import type { Measurement } from '../measurement/measurement.ts';
import { aLoadResult } from '../workload/fixtures/load-results.ts';
import { ownPolicies } from './own-policy.ts';
import { shedding } from './fixtures/policies.ts';

const limiting: Policy = {
  kind: 'limit-rate',
  name: 'clients',
  per: ['address', { header: 'x-api-key' }],
  ratePerSecond: 50,
  burst: 20,
  exempt: [],
};

const measurement: Measurement = {
  id: 'm',
  arm: 'baseline',
  startedAt: '2026-01-01T00:00:00.000Z',
  durationMs: 1000,
  observations: { load: aLoadResult({ requests: 200, requestsPerSecond: 200 }) },
  gaps: [],
  quality: { trusted: true, problems: [] },
};
const change = (policies: readonly Policy[], metric?: 'latency.p99') => ownPolicies('run-1', policies, { metric, measurement });

test('a limit is decided by the latency of the answers given, and may cost CPU but no answers', () => {
  const { remedy, metric, allowances, description } = change([shedding]);
  expect(remedy.refuses).toBe(true);
  expect(metric).toBe('latency.p95');
  expect(allowances).toEqual({ 'cpu.time': 1 });
  expect(description.title).toBe('At most 8 answered at once, 16 waiting (shed-load)');
  expect(description.reservations).not.toEqual([]);
  expect(change([shedding], 'latency.p99').metric).toBe('latency.p99');
});

test('a rate limit may take as many answers as it says, and no more', () => {
  // 50 of 200 a second: an answer every 20 ms in place of every 5, and a quarter.
  expect(change([limiting]).allowances).toEqual({ 'cpu.time': 1, 'answer.interval': 4 });
  expect(change([{ ...limiting, ratePerSecond: 500 }]).allowances).toEqual({ 'cpu.time': 1 });
  expect(change([limiting]).description.title).toBe('At most 50 requests a second per address and x-api-key (limit-rate)');
});

test('what the application answers with an error of its own is said to be one for its clients', () => {
  const inside = change([{ kind: 'limit-pool-waiting', pool: 'app.js:3', maxWaiting: 4 }]).description.reservations!;
  expect(inside).toHaveLength(change([shedding]).description.reservations!.length + 1);
  expect(inside.join()).toContain('gets an error from its own handler');
});

test('a policy that refuses nobody has no such licence, and is decided by what it promises', () => {
  const { remedy, metric, touched, allowances } = change([{ kind: 'conditional-responses', routes: ['/a'] }]);
  expect(remedy).toMatchObject({ clientsRevalidate: true });
  expect(remedy.refuses).toBeUndefined();
  expect(metric).toBe('response.bytes:GET /a');
  expect(touched!.routes).toEqual(['GET /a']);
  expect(allowances).toBeUndefined();
  const both = change([
    { kind: 'compress-responses', routes: ['/a', '/b'] },
    { kind: 'conditional-responses', routes: ['/a'] },
  ]);
  expect(both.metric).toBe('response.bytes:GET /a, GET /b');
  const mixed = change([
    { kind: 'compress-responses', routes: ['/a'] },
    { kind: 'coalesce-requests', routes: ['/a'], longestWaitMs: 100 },
  ]);
  expect([mixed.metric, mixed.touched]).toEqual(['cpu.time', null]);
});
