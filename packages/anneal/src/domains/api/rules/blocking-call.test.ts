import { describe, expect, test } from 'vitest';
import { aFunction, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { ProfiledFunction, RuntimeObservation } from '../../../measurement/observations.ts';
import { blockingCall } from './blocking-call.ts';

const diagnose = (given: Partial<ProfiledFunction>, runtime: Partial<RuntimeObservation> = {}) =>
  outcomesOf(blockingCall, {
    'agent.profile': {
      intervalUs: 10_000,
      sampledMs: 30_000,
      heap: null,
      functions: [
        aFunction({
          location: at('src/vouchers.ts', 17, 'sign'),
          blockingStretches: 90,
          blockingMs: 3_600,
          longestStretchMs: 62,
          ...given,
        }),
      ],
    },
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 12_000, ...runtime }),
    'agent.routes': [aRoute({ route: '/vouchers', requests: 3_000 })],
  });

describe('a signature computed on the event loop', () => {
  const [finding] = diagnose({ heaviestCallee: 'pbkdf2Sync', heaviestCalleeMs: 3_500 }).findings;

  test('is found at its line with its share of CPU and what the others wait: r·d²/2', () => {
    expect(finding).toMatchObject({
      level: 'error',
      subject: { kind: 'function' },
      locations: [{ line: 17 }],
      impact: { resource: 'cpu-time', share: 0.3 },
    });
    // 3 stretches a second of 40 ms.
    expect(evidenceOf(finding, 'added wait of every other request')).toBeCloseTo(2.4);
    expect(evidenceOf(finding, 'the same for all requests of the window')).toBeCloseTo(7_200);
  });

  test('is answered with the asynchronous call of the same name', () => {
    expect(finding!.proposal.title).toBe('Call pbkdf2 in place of pbkdf2Sync');
    expect(finding!.proposal.code).toContain('promisify(pbkdf2)');
  });
});

test('a function’s own computation goes to a worker', () => {
  const [finding] = diagnose({ heaviestCallee: null }).findings;
  expect(finding!.message).toContain('its own computation');
  expect(finding!.proposal.title).toBe('Move the computation off the event loop');
});

test('its fingerprint’s key holds no line where the function has a name', () => {
  expect(diagnose({ location: at('src/vouchers.ts', 99, 'sign') }).findings[0]!.subject).toEqual(diagnose({}).findings[0]!.subject);
});

test.each<[string, Partial<ProfiledFunction>, RegExp]>([
  ['the writing of answers', { heaviestCallee: 'Reply.send' }, /api\/heavy-serialisation/],
  ['JSON', { heaviestCallee: 'JSON.stringify' }, /api\/heavy-serialisation/],
  ['a small share', { blockingStretches: 8, blockingMs: 100 }, /below 1 %/],
  // 6 s of 30: a fifth of its samples follow one another by chance, 1.2 s of them.
  [
    'a short function that is everywhere',
    { selfMs: 6_000, blockingStretches: 105, blockingMs: 1_200, longestStretchMs: 30 },
    /as often as chance would/,
  ],
  ['what happened once, at the start', { blockingStretches: 1, blockingMs: 3_000 }, /0\.63\d % of it certain: below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('silent about short calls that a busy machine draws out, and not about long ones', () => {
  const busy = { cpuMs: 6_000, eventLoopUtilizationShare: 0.9 };
  const { findings, reasons } = diagnose({}, busy);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/stretches of 40 ms are 8.89 ms of computing/)]);
  expect(diagnose({ blockingMs: 7_200 }, busy).findings).toHaveLength(1);
});

test('silent about the few calls of many that a busy machine drew out the most', () => {
  const few = { blockingMs: 7_200, selfMs: 12_000 };
  const { findings, reasons } = diagnose(few, { cpuMs: 6_000, eventLoopUtilizationShare: 0.9 });
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/60 % of its time is in stretches .* took 77.8 % of the process's time for others/)]);
  expect(diagnose(few).findings).toHaveLength(1);
});

test('without a word about functions that never block', () => {
  expect(diagnose({ blockingStretches: 0, blockingMs: 0, selfMs: 9_000 })).toEqual({ findings: [], reasons: [] });
});
