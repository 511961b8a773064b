import { describe, expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { chattyOutgoingCalls } from './chatty-outgoing-calls.ts';

const site = at('src/basket.ts', 31, 'priceOf');
const pricing: Partial<OutgoingObservation> = { peer: 'pricing.internal', operation: 'GET /prices/:id', location: site };
const diagnose = (shape: Parameters<typeof anOutgoing>[0], given: Partial<OutgoingObservation> = {}) =>
  outcomesOf(chattyOutgoingCalls, {
    'agent.routes': [
      aRoute({ route: '/basket', requests: shape.requests, outgoing: [anOutgoing(shape, { ...pricing, ...given })] }),
      aRoute({ route: '/products', requests: 2_000, queryMs: 4_000 }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 6_000 }),
  });

describe('a price asked for per line of a basket', () => {
  const { findings } = diagnose(
    { requests: 400, perRequest: 8, meanMs: 5 },
    { parentStatement: 'SELECT product_id FROM lines WHERE basket_id = $1' },
  );

  test('is found at its line with what it takes of the work and that wait', () => {
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ level: 'error', locations: [site], subject: { kind: 'route', route: 'GET /basket' } });
    expect(findings[0]!.impact.share).toBeCloseTo(16_000 / 26_000);
    expect(evidenceOf(findings[0], 'calls per request that repeats it')).toBe(8);
    expect(evidenceOf(findings[0], 'statement whose rows hold what the calls differ by')).toContain('product_id');
    expect(findings[0]!.message).toContain('GET /prices/:id of pricing.internal per request, one after the other, 5 ms each');
  });

  test('is expected to give back all but one call at the most', () => {
    const { point, lower, upper } = findings[0]!.proposal.expected!;
    expect(point).toBeCloseTo((-16_000 / 26_000) * (7 / 8));
    expect(lower).toBeLessThanOrEqual(point);
    expect(upper).toBeGreaterThan(point);
    expect(upper).toBeLessThan(0);
  });
});

test('side by side it is a note: what one call for all would save is not known', () => {
  const { findings } = diagnose({ requests: 400, perRequest: 8, meanMs: 5 }, { overlappingShare: 7 / 8 });
  expect(findings).toMatchObject([{ level: 'note', proposal: { expected: null } }]);
  expect(findings[0]!.impact.share).toBeCloseTo(2_000 / 12_000);
});

test('one function used by two routes is one cause', () => {
  const { findings } = outcomesOf(chattyOutgoingCalls, {
    'agent.routes': ['/basket', '/checkout'].map((route) =>
      aRoute({ route, outgoing: [anOutgoing({ requests: 100, perRequest: 5, meanMs: 8 }, pricing)] }),
    ),
    'agent.runtime': aRuntime(),
  });
  expect(findings).toHaveLength(1);
  expect(evidenceOf(findings[0], 'routes that come by here')).toBe('GET /basket, GET /checkout');
});

test.each<[string, Parameters<typeof anOutgoing>[0], Partial<OutgoingObservation>, RegExp]>([
  ['a pair of questions', { requests: 400, perRequest: 2, meanMs: 5 }, {}, /at most twice/],
  [
    'one who waits until something is ready',
    { requests: 400, perRequest: 6, meanMs: 5 },
    { distinctCallsShare: 1 / 6, duplicateCalls: 2_000 },
    /as one who waits/,
  ],
  ['retries', { requests: 400, perRequest: 4, meanMs: 5 }, { distinctCallsShare: 0.25, retries: 1_200 }, /api\/retry-storm/],
  [
    'a shared loader that rarely loops',
    { requests: 400, perRequest: 3, meanMs: 5 },
    { repeatingCalls: 300, repeatingRequests: 100 },
    /only 25 % of its calls/,
  ],
  ['a loop seen once', { requests: 1, perRequest: 30, meanMs: 5 }, {}, /below 1 %/],
])('silent about %s', (_name, shape, given, reason) => {
  const { findings, reasons } = diagnose(shape, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('Redis commands are none of its business', () => {
  expect(diagnose({ requests: 400, perRequest: 8, meanMs: 5 }, { kind: 'redis', operation: 'GET' })).toEqual({ findings: [], reasons: [] });
});
