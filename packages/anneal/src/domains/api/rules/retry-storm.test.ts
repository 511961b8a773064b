import { expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { retryStorm } from './retry-storm.ts';

const site = at('src/geocoder.ts', 9, 'locate');
/** 300 addresses, each looked up twice on average because the first answer was 503. */
const diagnose = (given: Partial<OutgoingObservation>) =>
  outcomesOf(retryStorm, {
    'agent.routes': [
      aRoute({
        route: '/addresses',
        outgoing: [
          anOutgoing({ requests: 300, perRequest: 2, meanMs: 4 }, { operation: 'GET /lookup', location: site, errors: 320, ...given }),
        ],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 6_000 }),
  });
const atOnce = { retries: 300, promptRetries: 290, shortestRetryGapMs: 0.1, retryMs: 1_200, mostAttempts: 3 };

test('retries at once are found, with how many times the load they make', () => {
  const { findings } = diagnose(atOnce);
  expect(findings).toMatchObject([{ level: 'error', locations: [site], impact: { resource: 'request-time' } }]);
  expect(evidenceOf(findings[0], 'calls per call that was meant')).toBe(2);
  expect(findings[0]!.impact.share).toBeCloseTo(1_200 / 7_200);
});

test('where they cost no time yet they still use up the budget of the service', () => {
  const { findings } = diagnose({ ...atOnce, retryMs: 20 });
  expect(findings).toMatchObject([{ level: 'warning', impact: { resource: 'headroom', share: 0.5 } }]);
});

test('patient retries without an end are found as well', () => {
  const { findings } = diagnose({ ...atOnce, promptRetries: 0, shortestRetryGapMs: 150, mostAttempts: 8 });
  expect(findings[0]!.message).toContain('up to 8 times');
});

test.each<[string, Partial<OutgoingObservation>, RegExp]>([
  ['retries within the budget', { ...atOnce, retries: 30, promptRetries: 30 }, /within a budget of 10 %/],
  ['a back-off that gives up', { ...atOnce, promptRetries: 10, shortestRetryGapMs: 8 }, /end after 3 attempts/],
  ['a single retry', { ...atOnce, calls: 2, retries: 1, promptRetries: 1 }, /certainly: within/],
])('silent about %s', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('nothing to say where nothing was repeated', () => {
  expect(diagnose({})).toEqual({ findings: [], reasons: [] });
});
