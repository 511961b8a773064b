import { describe, expect, test } from 'vitest';
import { aCallSite, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { RouteStatementObservation, ShownObservation } from '../../../measurement/observations.ts';
import { overFetchedColumns } from './over-fetched-columns.ts';

const column = (name: string, sizeBytes: number, shown: number) => ({ name, sizeBytes, shown });
const hotels: ShownObservation = {
  comparisons: 10,
  rows: 300,
  shownRows: 300,
  columns: [
    column('id', 1_000, 10),
    column('name', 20_000, 10),
    column('description', 70_000, 0),
    column('policies', 30_000, 0),
    column('closed_on', 0, 0),
  ],
};
const diagnose = (shown: ShownObservation | null, given: Partial<RouteStatementObservation> = {}) =>
  outcomesOf(overFetchedColumns, {
    'agent.routes': [
      aRoute({
        route: '/hotels',
        totalMs: 9_000,
        queryMs: 3_000,
        statements: [
          aCallSite({ statementId: 'hotels', location: at('src/hotels.ts', 9, 'listHotels'), calls: 500, totalMs: 2_000, shown, ...given }),
        ],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 5_000 }),
    'postgres.statements': [aStatement({ id: 'hotels', text: 'SELECT * FROM hotels WHERE city = $1', tables: ['hotels'] })],
  });

describe('a list that reads what only the page of one hotel shows', () => {
  const [finding] = diagnose(hotels).findings;

  test('names the columns, widest first, and the line', () => {
    expect(evidenceOf(finding, 'columns that no answer shows')).toBe('description, policies');
    expect(finding).toMatchObject({ level: 'error', subject: { statementId: 'hotels' }, locations: [{ line: 9 }] });
    expect(finding!.impact.share).toBeCloseTo((100 / 121) * (2 / 8));
  });

  test('counts a call by what its columns weigh', () => {
    expect(evidenceOf(finding, 'weight of those columns per call')).toBe(10_000);
  });
});

test('a column that one of two routes shows is used', () => {
  const place = { statementId: 'hotels', location: at('src/hotels.ts', 9, 'listHotels'), calls: 500, totalMs: 2_000 };
  const { findings } = outcomesOf(overFetchedColumns, {
    'agent.routes': [
      aRoute({ route: '/hotels', statements: [aCallSite({ ...place, shown: hotels })] }),
      aRoute({
        route: '/hotels/export',
        statements: [
          aCallSite({ ...place, shown: { ...hotels, columns: [column('description', 70_000, 10), column('policies', 30_000, 10)] } }),
        ],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 5_000 }),
    'postgres.statements': [aStatement({ id: 'hotels', text: 'SELECT * FROM hotels WHERE city = $1', tables: ['hotels'] })],
  });
  expect(findings).toEqual([]);
});

test.each<[string, ShownObservation, Partial<RouteStatementObservation>, RegExp]>([
  ['a few unused bytes', { ...hotels, columns: [column('id', 100, 10), column('rank', 900, 0)] }, {}, /fit one packet/],
  ['a statement that hardly takes time', hotels, { totalMs: 20 }, /below 1 %/],
])('silent about %s, with the reason', (_name, shown, given, reason) => {
  const { findings, reasons } = diagnose(shown, given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test.each<[string, ShownObservation | null]>([
  ['nothing was compared', null],
  ['too little was compared', { ...hotels, comparisons: 2 }],
  ['most is shown', { ...hotels, columns: [column('name', 70_000, 10), column('policies', 30_000, 0)] }],
  ['it was shown at least once', { ...hotels, columns: hotels.columns.map((one) => ({ ...one, shown: 1 })) }],
])('without a word where %s', (_name, shown) => {
  expect(diagnose(shown)).toEqual({ findings: [], reasons: [] });
});
