import { describe, expect, test } from 'vitest';
import { aPool, aRoute, aRuntime } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { PoolObservation } from '../../../measurement/observations.ts';
import { alwaysFullPool } from '../fixtures/pools.ts';
import { simulatePool } from '../fixtures/simulate-pool.ts';
import { poolTooSmall } from './pool-too-small.ts';

const windowMs = 30_000;
const traffic = { requestsPerSecond: 300, burst: 1, meanHoldMs: 8, windowMs, seed: 5 };
const diagnose = (pool: PoolObservation, heldIdleMs = 0) =>
  outcomesOf(poolTooSmall, {
    'agent.pools': [pool],
    'agent.routes': [
      aRoute({
        route: '/ledger',
        requests: 9_000,
        totalMs: 9_000 * 12 + pool.waitMs,
        queryMs: 72_000,
        poolWaitMs: pool.waitMs,
        heldIdleMs,
      }),
    ],
    'agent.runtime': aRuntime({ windowMs, cpuMs: 9_000 }),
  });

describe('three connections for 2.4 connections’ work', () => {
  const pool = simulatePool(3, traffic);

  test('are too few, and the size that would do is computed and said', () => {
    const [finding] = diagnose(pool).findings;
    expect(finding).toMatchObject({ level: 'error', subject: { kind: 'pool', pool: 'main' }, impact: { resource: 'request-time' } });
    expect(finding!.impact.share).toBeCloseTo(pool.waitMs / (72_000 + pool.waitMs + 9_000), 6);
    const size = evidenceOf(finding, 'smallest pool that does');
    expect(finding!.proposal.code).toBe(`max: ${String(size)}`);
    expect(finding!.proposal.text).toContain('src/database.ts:7 in createPool');
    expect(finding!.message).toContain('The pool is small for its work');
    expect(simulatePool(Number(size), traffic).waitMs).toBeLessThan(pool.waitMs / 20);
  });

  test('promise a gain no larger than the waiting there is', () => {
    const [finding] = diagnose(pool).findings;
    const { point, lower, upper } = finding!.proposal.expected!;
    expect(lower).toBeGreaterThanOrEqual(-finding!.impact.share);
    expect(point).toBeGreaterThanOrEqual(lower);
    expect(point).toBeLessThanOrEqual(upper);
    expect(upper).toBeLessThan(0);
  });
});

test('where connections are held idle, that is named as the cause and not the size', () => {
  const pool = simulatePool(3, traffic);
  const held = pool.heldUs.sum / 1000;
  const [finding] = diagnose(pool, held * 0.7).findings;
  expect(finding!.message).toMatch(/9\d(\.\d+)? % of the wait is owed to connections that are held while no query runs/);
  expect(finding!.proposal.title).toMatch(/^Hold connections only while a query runs/);
});

test('a pool that was always full is doubled, and nothing is foretold of it', () => {
  const [finding] = diagnose(alwaysFullPool).findings;
  expect(finding!.proposal).toMatchObject({ code: 'max: 4', expected: null });
});

test.each<[string, Partial<PoolObservation>, RegExp]>([
  ['nobody waited', { waits: 0 }, /none of its 1,000 checkouts waited/],
  ['connections were left', { waits: 4, waitMs: 80, peakInUse: 6 }, /at most 6 of its 10 connections were in use/],
  ['the wait is short', { waits: 200, waitMs: 20, peakInUse: 10 }, /below 1 %/],
  ['it happened once', { waits: 1, waitMs: 20_000, peakInUse: 10 }, /of it certain: below 1 %/],
])('silent when %s', (_name, given, reason) => {
  const { findings, reasons } = diagnose(aPool({ name: 'main', ...given }));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('what background work waits is nobody’s answer time', () => {
  const pool = simulatePool(3, traffic);
  const { findings, reasons } = outcomesOf(poolTooSmall, {
    'agent.pools': [pool],
    'agent.routes': [aRoute({ route: '/ledger', requests: 9_000, totalMs: 90_000, queryMs: 72_000, poolWaitMs: 10 })],
    'agent.runtime': aRuntime({ windowMs }),
  });
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/below 1 %/)]);
});
