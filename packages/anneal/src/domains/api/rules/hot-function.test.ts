import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { aFunction, aMeasurement, aProfile, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { ProfiledFunction } from '../../../measurement/observations.ts';
import { blockingCall } from './blocking-call.ts';
import { hotFunction } from './hot-function.ts';

const price: ProfiledFunction = aFunction({
  location: at('src/quotes.ts', 20, 'priceOf'),
  hottestLine: 33,
  selfMs: 1_500,
  ownMs: 1_200,
  routes: [
    { method: 'GET', route: '/quotes/:id', cpuMs: 1_400 },
    { method: 'GET', route: '/other', cpuMs: 100 },
  ],
});
const observations = (given: Partial<ProfiledFunction> = {}, routeCpuMs: number | null = 1_800) => ({
  'agent.profile': aProfile({ functions: [{ ...price, ...given }] }),
  'agent.runtime': aRuntime({ cpuMs: 8_000 }),
  'agent.routes': [aRoute({ route: '/quotes/:id', requests: 400, cpuMs: routeCpuMs }), aRoute({ route: '/other', cpuMs: 600 })],
});

describe('a price that is worked out anew for each line of a quote', () => {
  const [finding] = outcomesOf(hotFunction, observations()).findings;

  test('is found on the line that was met most, for the route it ran for', () => {
    expect(finding).toMatchObject({
      level: 'error',
      subject: { kind: 'function', key: 'src/quotes.ts#priceOf' },
      locations: [{ line: 33, function: 'priceOf' }],
    });
    expect(finding!.message).toContain('computes 2.8 ms for each GET /quotes/:id');
    expect(finding!.impact.share).toBeCloseTo((1_200 * (14 / 15)) / 8_000);
  });
});

test('what keeps the event loop for long at a time is said once, by api/blocking-call', () => {
  const { findings } = diagnoseAll(
    [hotFunction, blockingCall],
    aMeasurement(observations({ blockingStretches: 60, blockingMs: 1_400, longestStretchMs: 30 })),
    usualSettings,
  );
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/blocking-call']);
});

test('silent about a share that few samples show, with the reason', () => {
  const { findings, reasons } = outcomesOf(hotFunction, {
    ...observations({ selfMs: 60, ownMs: 60, routes: [{ method: 'GET', route: '/quotes/:id', cpuMs: 60 }] }, 80),
    'agent.routes': [aRoute({ route: '/quotes/:id', requests: 20, cpuMs: 80 })],
  });
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/below 1 %/)]);
});

test.each<[string, Partial<ProfiledFunction>, number | null]>([
  ['libraries take the time', { ownMs: 100 }, 1_800],
  ['the route does as much besides', {}, 2_600],
  ['requests are short', { ownMs: 300 }, 500],
  ['two routes share it', { routes: [{ method: 'GET', route: '/quotes/:id', cpuMs: 700 }] }, 1_800],
  ['nobody knows for which route it ran', { routes: [] }, 1_800],
  ['there was no profile of routes', {}, null],
])('without a word where %s', (_name, given, routeCpuMs) => {
  expect(outcomesOf(hotFunction, observations(given, routeCpuMs))).toEqual({ findings: [], reasons: [] });
});
