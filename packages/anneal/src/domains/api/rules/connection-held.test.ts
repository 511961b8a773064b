import { describe, expect, test } from 'vitest';
import { aPool, aRoute, aRuntime, at, histogramOf } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { PoolObservation } from '../../../measurement/observations.ts';
import { connectionHeld } from './connection-held.ts';

const site = at('src/payouts.ts', 61, 'settle');
// Ten settlements a second, each 205 ms with a connection, of which 200 ms wait for the bank.
const waited: Partial<PoolObservation> = { waits: 900, waitMs: 27_000, peakInUse: 4, peakWaiting: 9 };
const diagnose = (
  holding: { readonly heldIdleMs: number; readonly requests: number },
  pool: Partial<PoolObservation> = {},
  loopDelayMs = 0.1,
) =>
  outcomesOf(connectionHeld, {
    'agent.pools': [aPool({ name: 'main', max: 4, checkouts: 2_700, heldUs: histogramOf([5, 2_400], [205, 300]), ...pool })],
    'agent.routes': [
      aRoute({ route: '/payouts', method: 'POST', requests: 300, totalMs: 70_000, queryMs: 1_500, heldAt: [{ ...site, ...holding }] }),
      aRoute({ route: '/accounts/:id', requests: 2_400, totalMs: 45_000, queryMs: 12_000, poolWaitMs: pool.waitMs ?? 0 }),
    ],
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 5_000, eventLoopDelayUs: histogramOf([loopDelayMs, 1000]) }),
  });

describe('a connection held while a bank answers', () => {
  const { findings } = diagnose({ heldIdleMs: 60_000, requests: 300 }, waited);

  test('is found where it is checked out, with what the others wait for it', () => {
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ level: 'error', locations: [site], subject: { kind: 'route', route: 'POST /payouts' } });
    expect(findings[0]!.impact.share).toBeGreaterThan((0.9 * 27_000) / 45_500);
    expect(evidenceOf(findings[0], "share of the pools' capacity held idle")).toBeCloseTo(0.5);
    expect(findings[0]!.message).toContain('200 ms per request');
  });

  test('is expected to give back at least its part of the hold time, at most all waiting', () => {
    const { point, lower, upper } = findings[0]!.proposal.expected!;
    expect(lower).toBeLessThanOrEqual(point);
    expect(point).toBeLessThanOrEqual(upper);
    expect(upper).toBeLessThan(0);
  });
});

test('where nobody waits yet it is a note that costs nothing today', () => {
  const [finding] = diagnose({ heldIdleMs: 60_000, requests: 300 }).findings;
  expect(finding).toMatchObject({ level: 'note', impact: { share: 0 }, proposal: { expected: null } });
  expect(finding!.message).toContain('at a higher one they will');
});

test('one checkout used by two routes is one cause', () => {
  const { findings } = outcomesOf(connectionHeld, {
    'agent.pools': [aPool({ name: 'main', max: 4, heldUs: histogramOf([205, 300]) })],
    'agent.routes': ['/payouts', '/refunds'].map((route) => aRoute({ route, heldAt: [{ ...site, heldIdleMs: 20_000, requests: 100 }] })),
    'agent.runtime': aRuntime(),
  });
  expect(findings).toHaveLength(1);
  expect(evidenceOf(findings[0], 'routes that come by here')).toBe('GET /payouts, GET /refunds');
});

test.each<[string, { readonly heldIdleMs: number; readonly requests: number }, number, RegExp]>([
  ['the turns of a transaction', { heldIdleMs: 300 * 4, requests: 300 }, 0.1, /4 ms per request: no more than the turns/],
  ['the turns of a busy event loop', { heldIdleMs: 300 * 40, requests: 300 }, 35, /no more than the turns/],
  ['a hold that hardly takes any of the pool', { heldIdleMs: 600, requests: 3 }, 0.1, /below 1 %/],
])('silent about %s', (_name, holding, loopDelayMs, reason) => {
  const { findings, reasons } = diagnose(holding, waited, loopDelayMs);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});
