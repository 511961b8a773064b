import { expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { waitsForAJob } from './waits-for-a-job.ts';

const site = at('src/orders/webhook.ts', 22, 'announce');
const diagnose = (given: Partial<OutgoingObservation>, method = 'POST') =>
  outcomesOf(waitsForAJob, {
    'agent.routes': [
      aRoute({
        route: '/orders',
        method,
        outgoing: [
          anOutgoing({ requests: 120, perRequest: 1, meanMs: 250 }, { operation: 'POST /hooks/orders', location: site, ...given }),
        ],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 6_000 }),
  });
const unread = { unreadAnswers: 120, unreadWaitMs: 28_800 };

test('a webhook that an order waits for is found, and what is not known is said', () => {
  const { findings } = diagnose(unread);
  expect(findings).toMatchObject([{ level: 'error', locations: [site], subject: { route: 'POST /orders' } }]);
  expect(evidenceOf(findings[0], 'wait per such call in which the request did nothing else')).toBe(240);
  expect(findings[0]!.proposal.text).toMatch(/^If the response does not depend/);
  expect(findings[0]!.proposal.expected!.point).toBeCloseTo(-28_800 / 34_800);
});

test.each<[string, Partial<OutgoingObservation>, RegExp]>([
  ['answers that are read', { unreadAnswers: 10, unreadWaitMs: 2_400 }, /91.7 % of its answers are read/],
  ['waits shorter than a person notices', { unreadAnswers: 120, unreadWaitMs: 6_000 }, /50 ms/],
  ['one slow day', { calls: 1, unreadAnswers: 1, unreadWaitMs: 240 }, /below 1 %/],
])('silent about %s', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('a read that asks and looks at nothing is not a job', () => {
  expect(diagnose(unread, 'GET')).toEqual({ findings: [], reasons: [] });
});
