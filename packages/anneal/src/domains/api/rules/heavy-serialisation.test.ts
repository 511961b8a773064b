import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { defineRule } from '../../../finding/finding.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { heavySerialisation } from './heavy-serialisation.ts';

const observations = (given: Partial<RouteObservation> = {}) => ({
  'agent.routes': [
    aRoute({
      route: '/plans/:id',
      requests: 200,
      serialisationMs: 800,
      longestSerialisationMs: 9,
      responseBytes: 200 * 400_000,
      statements: [
        aCallSite({ statementId: 'tenant', location: at('src/tenant.ts', 3), calls: 200, receivedBytes: 20_000 }),
        aCallSite({ statementId: 'plan', location: at('src/plans.ts', 12, 'load'), calls: 200, rows: 200, receivedBytes: 60e6 }),
      ],
      ...given,
    }),
  ],
  'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 4_000, eventLoopUtilizationShare: 0.1 }),
});

describe('a floor plan of 400 kB echoed from one row', () => {
  test('takes its share of the CPU, and is placed where its data is read', () => {
    const [finding] = outcomesOf(heavySerialisation, observations()).findings;
    expect(finding).toMatchObject({
      level: 'error',
      subject: { kind: 'route', route: 'GET /plans/:id' },
      impact: { resource: 'cpu-time', share: 0.2 },
    });
    expect(finding!.locations).toEqual([at('src/plans.ts', 12, 'load')]);
    expect(evidenceOf(finding, 'bytes per answer')).toBe(400_000);
    expect(evidenceOf(finding, 'rows per answer of the statement that brings most')).toBe(1);
    expect(finding!.proposal.code).toContain('::text');
  });

  test('is only the symptom where the route reads without a limit', () => {
    const cause = defineRule({
      id: 'api/unbounded-result',
      title: '',
      description: '',
      requires: ['agent.routes'],
      diagnose: () => [
        {
          ...outcomesOf(heavySerialisation, observations()).findings[0]!,
          subject: { kind: 'route', key: 'plan', route: 'GET /plans/:id', statementId: 'plan' },
        },
      ],
    });
    const { findings, silences } = diagnoseAll([heavySerialisation, cause], aMeasurement(observations()), usualSettings);
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/unbounded-result']);
    expect(silences.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^explained by api\/unbounded-result/)]);
  });
});

test.each<[string, Partial<RouteObservation>, RegExp]>([
  ['many small answers', { requests: 20_000, serialisationMs: 800 }, /serialised in 40 µs: less than 1 ms/],
  ['an export asked for now and then', { requests: 2, serialisationMs: 160 }, /below 1 %/],
  ['a small share of the CPU', { requests: 20, serialisationMs: 30 }, /below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = outcomesOf(heavySerialisation, observations(given));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where nothing is serialised', () => {
  expect(outcomesOf(heavySerialisation, observations({ serialisationMs: 0 }))).toEqual({ findings: [], reasons: [] });
});
