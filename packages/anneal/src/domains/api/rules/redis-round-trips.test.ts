import { expect, test } from 'vitest';
import { anOutgoing, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { OutgoingObservation } from '../../../measurement/observations.ts';
import { redisRoundTrips } from './redis-round-trips.ts';

const site = at('src/presence.ts', 12, 'onlineFriends');
const diagnose = (shape: Parameters<typeof anOutgoing>[0], given: Partial<OutgoingObservation> = {}) =>
  outcomesOf(redisRoundTrips, {
    'agent.routes': [
      aRoute({
        route: '/friends',
        outgoing: [anOutgoing(shape, { kind: 'redis', peer: '10.0.0.5:6379', operation: 'GET', location: site, ...given })],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 6_000 }),
  });

test('a key read per friend is found, with MGET as what to write', () => {
  const { findings } = diagnose({ requests: 300, perRequest: 40, meanMs: 0.2 });
  expect(findings).toMatchObject([{ level: 'error', locations: [site], subject: { route: 'GET /friends' } }]);
  expect(findings[0]!.impact.share).toBeCloseTo(2_400 / 8_400);
  expect(findings[0]!.proposal.code).toContain('mget');
  expect(findings[0]!.proposal.expected!.point).toBeCloseTo((-2_400 / 8_400) * (39 / 40));
});

test('another command is told to travel in a pipeline', () => {
  const { findings } = diagnose({ requests: 300, perRequest: 40, meanMs: 0.2 }, { operation: 'HGETALL' });
  expect(findings[0]!.proposal).toMatchObject({ title: 'Send the commands in one pipeline', code: null });
});

test.each<[string, Parameters<typeof anOutgoing>[0], Partial<OutgoingObservation>, RegExp]>([
  ['a pipeline', { requests: 300, perRequest: 40, meanMs: 0.4 }, { overlappingShare: 39 / 40 }, /sent together/],
  ['a lock and its release', { requests: 300, perRequest: 2, meanMs: 0.4 }, {}, /at most twice/],
  [
    'one key asked for until it is there',
    { requests: 300, perRequest: 40, meanMs: 0.4 },
    { distinctCallsShare: 1 / 40 },
    /asks the same again/,
  ],
  ['a cursor', { requests: 300, perRequest: 40, meanMs: 0.4 }, { operation: 'HSCAN' }, /step by step/],
  ['what costs next to nothing', { requests: 30, perRequest: 3, meanMs: 0.1 }, {}, /below 1 %/],
])('silent about %s', (_name, shape, given, reason) => {
  const { findings, reasons } = diagnose(shape, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});
