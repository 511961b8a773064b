import { expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { outgoingWithoutKeepAlive } from './outgoing-without-keep-alive.ts';

const site = at('src/rates.ts', 5, 'fetchRate');
const diagnose = (calls: number, given: Partial<OutgoingObservation>) =>
  outcomesOf(outgoingWithoutKeepAlive, {
    'agent.routes': [
      aRoute({
        route: '/quote',
        outgoing: [anOutgoing({ requests: calls, perRequest: 1, meanMs: 30 }, { peer: 'rates.example', location: site, ...given })],
      }),
    ],
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 6_000 }),
  });

test('a handshake per call is found with the time it takes', () => {
  const { findings } = diagnose(300, { connectionsOpened: 300, connectionsReused: 0, connectMs: 7_500 });
  expect(findings).toMatchObject([{ level: 'error', locations: [site], impact: { resource: 'request-time' } }]);
  expect(findings[0]!.impact.share).toBeCloseTo(7_500 / 13_500);
  expect(evidenceOf(findings[0], 'mean time to make a connection')).toBe(25);
  expect(findings[0]!.proposal.title).toBe('Keep connections for the next call');
});

test('to a near peer it is the ports that run out', () => {
  const { findings } = diagnose(3_000, { connectionsOpened: 3_000, connectionsReused: 0, connectMs: 30 });
  expect(findings).toMatchObject([{ level: 'warning', impact: { resource: 'headroom' }, proposal: { expected: null } }]);
  // A hundred a second, each for a minute, of 28,232.
  expect(findings[0]!.impact.share).toBeCloseTo(6_000 / 28_232);
});

test('a peer that closes its connections is told apart from a caller that opens them anew', () => {
  const { findings } = diagnose(300, { connectionsOpened: 300, connectionsReused: 0, connectMs: 7_500, keepAliveRefused: 300 });
  expect(findings[0]!.message).toContain('because the peer closes them');
  expect(findings[0]!.proposal.title).toBe('Let the peer keep its connections');
});

test.each<[string, number, Partial<OutgoingObservation>, RegExp]>([
  [
    'a pool that opened once',
    300,
    { connectionsOpened: 10, connectionsReused: 290, connectMs: 250 },
    /96.7 % of its calls found a connection/,
  ],
  [
    'calls too rare for any connection to be kept',
    5,
    { connectionsOpened: 5, connectionsReused: 0, connectMs: 500 },
    /every 6,000 ms: no connection is kept/,
  ],
  ['a few connections next door', 60, { connectionsOpened: 60, connectionsReused: 0, connectMs: 12 }, /both below 1 %/],
])('silent about %s', (_name, calls, given, reason) => {
  const { findings, reasons } = diagnose(calls, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});
