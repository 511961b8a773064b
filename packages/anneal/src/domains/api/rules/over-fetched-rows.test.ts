import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { defineRule } from '../../../finding/finding.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteStatementObservation, ShownObservation } from '../../../measurement/observations.ts';
import { overFetchedRows } from './over-fetched-rows.ts';

const flights: ShownObservation = { comparisons: 8, rows: 6_400, shownRows: 160, columns: [] };
const observations = (shown: ShownObservation | null, given: Partial<RouteStatementObservation> = {}) => ({
  'agent.routes': [
    aRoute({
      route: '/departures',
      statements: [
        aCallSite({
          statementId: 'flights',
          location: at('src/board.ts', 40, 'nextDepartures'),
          calls: 300,
          totalMs: 1_200,
          shown,
          ...given,
        }),
      ],
    }),
  ],
  'agent.runtime': aRuntime({ cpuMs: 6_000 }),
  'postgres.statements': [aStatement({ id: 'flights', text: 'SELECT * FROM flights WHERE airport = $1', tables: ['flights'] })],
});

describe('a board that reads the day and shows the next hour', () => {
  const [finding] = outcomesOf(overFetchedRows, observations(flights)).findings;

  test('is found at its line with how many rows are dropped', () => {
    expect(finding).toMatchObject({ level: 'error', subject: { statementId: 'flights' }, locations: [{ line: 40 }] });
    expect(evidenceOf(finding, 'rows per call')).toBe(800);
    expect(evidenceOf(finding, 'rows shown per call')).toBe(20);
    expect(finding!.impact.share).toBeCloseTo(0.975 * 0.2);
  });
});

test('an answer that grows with its table is said first: with a page there are no rows to drop', () => {
  const cause = defineRule({
    id: 'api/unbounded-result',
    title: '',
    description: '',
    requires: ['agent.routes'],
    diagnose: () => [
      {
        ...outcomesOf(overFetchedRows, observations(flights)).findings[0]!,
        subject: { kind: 'route', key: 'x', route: 'GET /departures', statementId: 'flights' },
      },
    ],
  });
  const { findings } = diagnoseAll([overFetchedRows, cause], aMeasurement(observations(flights)), usualSettings);
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/unbounded-result']);
});

test.each<[string, ShownObservation, Partial<RouteStatementObservation>, RegExp]>([
  ['a ranking that reads three candidates for each place', { ...flights, shownRows: 2_130 }, {}, /show 33.3 % of its rows/],
  ['a statement that hardly takes time', flights, { totalMs: 30 }, /below 1 %/],
])('silent about %s, with the reason', (_name, shown, given, reason) => {
  const { findings, reasons } = outcomesOf(overFetchedRows, observations(shown, given));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test.each<[string, ShownObservation | null]>([
  ['nothing was compared', null],
  ['rows cannot be told apart', { ...flights, rows: 0, shownRows: 0 }],
  ['few rows are read', { ...flights, rows: 640, shownRows: 8 }],
  ['too little was compared', { ...flights, comparisons: 2 }],
])('without a word where %s', (_name, shown) => {
  expect(outcomesOf(overFetchedRows, observations(shown))).toEqual({ findings: [], reasons: [] });
});
