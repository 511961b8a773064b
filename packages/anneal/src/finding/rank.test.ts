import { describe, expect, test } from 'vitest';
import { aRoute, aRuntime, aStatement } from './fixtures/observations.ts';
import type { Finding, Impact } from './finding.ts';
import { rank, requestTimeShare } from './rank.ts';

const runtime = aRuntime({ cpuMs: 1_000, eventLoopUtilizationShare: 0.5 });
const observations = {
  'agent.routes': [aRoute({ route: '/invoices', requests: 1000, totalMs: 9_000, queryMs: 6_000, poolWaitMs: 1_000 })],
  'agent.runtime': runtime,
  'postgres.statements': [aStatement({ id: 'a', text: 'SELECT 1', totalMs: 4_000 })],
};
const impact = (resource: Impact['resource'], share: number): Impact => ({ resource, share, certainShare: share });
const finding = (fingerprint: string, of: Impact): Finding => ({
  ruleId: 'test/rule',
  fingerprint,
  level: 'warning',
  message: '',
  subject: { kind: 'function', key: fingerprint },
  locations: [],
  impact: of,
  evidence: [{ label: 'seen', value: 1, unit: '1', provenance: 'measured', source: 'test' }],
  costIfIgnored: '',
  proposal: { title: '', text: '', code: null, expected: null },
});

describe('shares of different resources compare as shares of request time', () => {
  test('a share of database time counts by how much of the request time the database is', () => {
    expect(requestTimeShare(impact('database-time', 0.5), observations)).toBeCloseTo((0.5 * 4_000) / 7_000);
  });

  test('a share of CPU counts for more the busier the event loop is', () => {
    const busier = { ...observations, 'agent.runtime': { ...runtime, eventLoopUtilizationShare: 0.8 } };
    expect(requestTimeShare(impact('cpu-time', 0.5), observations)).toBeCloseTo((0.5 * 1_000) / 0.5 / 7_000);
    expect(requestTimeShare(impact('cpu-time', 0.5), busier)).toBeCloseTo((0.5 * 1_000) / 0.2 / 7_000);
  });

  test('a share of the waiting for connections counts by how much requests wait', () => {
    expect(requestTimeShare(impact('pool-wait', 1), observations)).toBeCloseTo(1_000 / 8_000);
  });

  test('the wait in a saturated pool does not hide the work that makes it', () => {
    const waiting = aRoute({ route: '/invoices', requests: 1000, totalMs: 900_000, queryMs: 6_000, poolWaitMs: 893_000 });
    const saturated = { ...observations, 'agent.routes': [waiting] };
    expect(requestTimeShare(impact('pool-wait', 1), saturated)).toBeGreaterThan(0.99);
    expect(requestTimeShare(impact('database-time', 0.5), saturated)).toBe(requestTimeShare(impact('database-time', 0.5), observations));
  });

  test('waits side by side in one request are one wait', () => {
    const fanOut = aRoute({ route: '/invoices', requests: 100, totalMs: 9_000, queryMs: 6_000, poolWaitMs: 90_000 });
    expect(requestTimeShare(impact('pool-wait', 1), { ...observations, 'agent.routes': [fanOut] })).toBeCloseTo(9_000 / 16_000);
  });

  test('no resource counts for more than all of the request time', () => {
    const saturated = { ...observations, 'agent.runtime': { ...runtime, eventLoopUtilizationShare: 1 } };
    expect(requestTimeShare(impact('cpu-time', 0.3), saturated)).toBe(0.3);
  });

  test('a long poll that waits on purpose does not dilute what the backend works for', () => {
    const poll = aRoute({ route: '/inbox/wait', requests: 30, totalMs: 600_000 });
    const withPoll = { ...observations, 'agent.routes': [...observations['agent.routes'], poll] };
    expect(requestTimeShare(impact('database-time', 0.5), withPoll)).toBe(requestTimeShare(impact('database-time', 0.5), observations));
  });

  test('what was not measured hides nothing', () => {
    expect(requestTimeShare(impact('database-time', 0.2), {})).toBe(0.2);
  });
});

test('the most costly comes first, equal ones in the order of their fingerprints', () => {
  const ranked = rank(
    [
      finding('d', impact('pool-wait', 1)),
      finding('c', impact('request-time', 0.3)),
      finding('b', impact('database-time', 0.9)),
      finding('a', impact('request-time', 0.3)),
    ],
    observations,
  );
  expect(ranked.map(({ fingerprint }) => fingerprint)).toEqual(['b', 'a', 'c', 'd']);
});
