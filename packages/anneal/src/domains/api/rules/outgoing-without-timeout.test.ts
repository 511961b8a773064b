import { expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { outgoingWithoutTimeout } from './outgoing-without-timeout.ts';

const site = at('src/stock.ts', 44, 'inStock');
const diagnose = (requests: number, given: Partial<OutgoingObservation>) =>
  outcomesOf(outgoingWithoutTimeout, {
    'agent.routes': [
      aRoute({
        route: '/stock/:sku',
        requests,
        outgoing: [
          anOutgoing({ requests, perRequest: 1, meanMs: 3 }, { peer: 'wms:8080', operation: 'GET /stock/:id', location: site, ...given }),
        ],
      }),
      aRoute({ route: '/catalogue', requests: 3_000 }),
    ],
    'agent.runtime': aRuntime({ windowMs: 30_000 }),
  });

test('a call that may last for ever is found with what would pile up', () => {
  const { findings } = diagnose(600, { withoutTimeout: 600 });
  expect(findings).toMatchObject([{ level: 'warning', locations: [site], impact: { resource: 'headroom' } }]);
  expect(findings[0]!.impact.share).toBeCloseTo(600 / 3_600);
  // Twenty a second for five minutes.
  expect(evidenceOf(findings[0], 'requests that hang when the service has hung for 300 s')).toBe(6_000);
});

test.each<[string, number, Partial<OutgoingObservation>, RegExp]>([
  ['a limit on most calls', 600, { withoutTimeout: 100 }, /83.3 % of its calls are limited/],
  ['an export somebody asks for now and then', 10, { withoutTimeout: 10 }, /certainly: below 1 %/],
])('silent about %s', (_name, requests, given, reason) => {
  const { findings, reasons } = diagnose(requests, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('nothing to say where every call is limited', () => {
  expect(diagnose(600, {})).toEqual({ findings: [], reasons: [] });
});
