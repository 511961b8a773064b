import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { aFunction, aMeasurement, aProfile, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { ProfiledFunction, RouteObservation } from '../../../measurement/observations.ts';
import { hotFunction } from './hot-function.ts';
import { workForAJob } from './work-for-a-job.ts';

const observations = (given: Partial<ProfiledFunction> = {}, route: Partial<RouteObservation> = {}) => ({
  'agent.profile': aProfile({
    functions: [
      aFunction({
        location: at('src/statements.ts', 50, 'renderStatement'),
        hottestLine: 61,
        selfMs: 2_400,
        ownMs: 2_000,
        longestStretchMs: 6,
        routes: [{ method: route.method ?? 'POST', route: '/statements', cpuMs: 2_400 }],
        ...given,
      }),
    ],
  }),
  'agent.runtime': aRuntime({ cpuMs: 12_000 }),
  'agent.routes': [aRoute({ method: 'POST', route: '/statements', requests: 15, totalMs: 4_500, cpuMs: 2_500, ...route })],
});

describe('a bank statement that is rendered while its caller waits, a slice at a time', () => {
  const [finding] = outcomesOf(workForAJob, observations()).findings;

  test('is found on its line although it never blocks for long', () => {
    expect(finding).toMatchObject({ subject: { key: 'src/statements.ts#renderStatement' }, locations: [{ line: 61 }] });
    expect(evidenceOf(finding, 'computed per request')).toBe(160);
    expect(finding!.impact.share).toBe(0.2);
  });

  test('is the cause of the hot function it is', () => {
    const { findings } = diagnoseAll([hotFunction, workForAJob], aMeasurement(observations()), usualSettings);
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/work-for-a-job']);
  });
});

test.each<[string, Partial<RouteObservation>, RegExp]>([
  ['a read', { method: 'GET' }, /is a read/],
  ['what was asked for once', { requests: 1 }, /below 1 %/],
])('silent about %s, with the reason', (_name, route, reason) => {
  const { findings, reasons } = outcomesOf(workForAJob, observations({}, route));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word about orders that are carried out at once', () => {
  expect(outcomesOf(workForAJob, observations({ selfMs: 600, routes: [{ method: 'POST', route: '/statements', cpuMs: 600 }] }))).toEqual({
    findings: [],
    reasons: [],
  });
});
