import { describe, expect, test } from 'vitest';
import { aRepeatedCallSite, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { RouteStatementObservation } from '../../../measurement/observations.ts';
import { parallelNPlusOne } from './parallel-n-plus-one.ts';

const fanOut = (given: Partial<RouteStatementObservation> = {}) =>
  aRepeatedCallSite(
    'latest',
    { requests: 200, perRequest: 10, meanMs: 4 },
    { location: at('src/sensors.ts', 8, 'latestOf'), overlappingShare: 0.9, ...given },
  );
const diagnose = (serverMsPerCall: number, cpuMs: number, given: Partial<RouteStatementObservation> = {}) =>
  outcomesOf(parallelNPlusOne, {
    'agent.routes': [aRoute({ route: '/sites/:id', requests: 200, totalMs: 4_000, queryMs: 3_000, statements: [fanOut(given)] })],
    'agent.runtime': aRuntime({ cpuMs }),
    'postgres.statements': [
      aStatement({
        id: 'latest',
        text: 'SELECT value FROM readings WHERE sensor_id = $1 ORDER BY at DESC LIMIT 1',
        calls: 2_000,
        totalMs: 2_000 * serverMsPerCall,
        source: 'server',
      }),
      aStatement({ id: 'other', text: 'SELECT 1', totalMs: 1_000, source: 'server' }),
    ],
  });

describe('one query per sensor, all at once', () => {
  test('is ranked by the database time it takes where that is the larger share', () => {
    const [finding] = diagnose(1, 20_000).findings;
    expect(finding).toMatchObject({ level: 'error', impact: { resource: 'database-time', share: 2_000 / 3_000 } });
    expect(finding!.locations).toEqual([at('src/sensors.ts', 8, 'latestOf')]);
    expect(evidenceOf(finding, 'share of calls begun while another was running')).toBeCloseTo(0.9);
  });

  test('and by the CPU it takes where the lookups themselves are cheap', () => {
    const [finding] = diagnose(0.001, 500).findings;
    expect(finding).toMatchObject({ impact: { resource: 'cpu-time' } });
    expect(finding!.impact.share).toBeCloseTo((2_000 * 0.038) / 500);
    expect(finding!.evidence.find(({ label }) => label === "share of the process's CPU")?.provenance).toBe('assumed');
  });

  test('keeps the limit per sensor in what it proposes', () => {
    expect(diagnose(1, 20_000).findings[0]!.proposal.title).toBe('Ask for all keys with one statement');
  });
});

test.each<[string, Partial<RouteStatementObservation>, RegExp]>([
  ['a loop with await', { overlappingShare: 0 }, /one after the other: api\/sequential-n-plus-one/],
  ['two at once', { maxCallsPerRequest: 2, repeatingCalls: 0, repeatingRequests: 0 }, /at most twice/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = diagnose(1, 1_000, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('silent where neither the database nor the process feels it', () => {
  const { findings, reasons } = diagnose(0.001, 30_000);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/of the workload's cpu time, .* below 1 %/)]);
});
