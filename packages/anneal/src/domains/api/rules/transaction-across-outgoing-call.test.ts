import { expect, test } from 'vitest';
import { anOutgoing, aPool, aRoute, aRuntime, at, histogramOf } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation, PoolObservation } from '../../../measurement/observations.ts';
import { transactionAcrossOutgoingCall } from './transaction-across-outgoing-call.ts';

const site = at('src/payments.ts', 71, 'charge');
const diagnose = (given: Partial<OutgoingObservation>, pool: Partial<PoolObservation> = {}, poolWaitMs = 0) =>
  outcomesOf(transactionAcrossOutgoingCall, {
    'agent.pools': [aPool({ name: 'main', max: 10, heldUs: histogramOf([2, 3_000], [152, 300]), ...pool })],
    'agent.routes': [
      aRoute({
        route: '/payments',
        method: 'POST',
        requests: 300,
        totalMs: 50_000,
        outgoing: [
          anOutgoing(
            { requests: 300, perRequest: 1, meanMs: 150 },
            { peer: 'bank.example', operation: 'POST /charges', location: site, ...given },
          ),
        ],
      }),
      aRoute({ route: '/accounts', requests: 3_000, queryMs: 6_000, poolWaitMs }),
    ],
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 6_000 }),
  });
const inside = { insideTransactionCalls: 300, insideTransactionMs: 45_000 };

test('a charge inside a transaction is found by the capacity it holds, though nobody waits yet', () => {
  const { findings } = diagnose(inside);
  expect(findings).toMatchObject([
    {
      level: 'warning',
      locations: [site],
      subject: { route: 'POST /payments' },
      impact: { resource: 'headroom' },
      proposal: { expected: null },
    },
  ]);
  expect(evidenceOf(findings[0], "share of the pools' capacity held meanwhile")).toBeCloseTo(45_000 / 300_000);
  expect(findings[0]!.message).toContain('waits 150 ms for it');
});

test('where others wait for a connection it is charged with its part of that', () => {
  const { findings } = diagnose(inside, { max: 2, waits: 900, waitMs: 20_000 }, 20_000);
  expect(findings[0]).toMatchObject({ level: 'error', impact: { resource: 'request-time' } });
  expect(findings[0]!.impact.share).toBeCloseTo((20_000 * 45_000) / 51_600 / 32_000, 1);
  const { point, lower, upper } = findings[0]!.proposal.expected!;
  expect(lower).toBeLessThanOrEqual(point);
  expect(upper).toBeGreaterThanOrEqual(point);
});

test.each<[string, Partial<OutgoingObservation>, RegExp]>([
  ['a call as short as a statement', { insideTransactionCalls: 300, insideTransactionMs: 900 }, /3 ms: no longer than a few statements/],
  ['one call in the whole window', { insideTransactionCalls: 1, insideTransactionMs: 150 }, /below 1 %/],
])('silent about %s', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('nothing to say about calls outside of transactions', () => {
  expect(diagnose({})).toEqual({ findings: [], reasons: [] });
});
