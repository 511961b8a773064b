import { expect, test } from 'vitest';
import { diagnose } from '../../../finding/diagnose.ts';
import { defineRule } from '../../../finding/finding.ts';
import { aCallSite, aMeasurement, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { identicalConcurrentRequests } from './identical-concurrent-requests.ts';

const statements = [
  aStatement({ id: 'rates', text: 'SELECT * FROM rates', kind: 'select' }),
  aStatement({ id: 'begin', text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', kind: 'other' }),
  aStatement({ id: 'commit', text: 'COMMIT', kind: 'other' }),
  aStatement({ id: 'visits', text: 'UPDATE visits SET n = n + 1', kind: 'update' }),
];

function diagnosed(...routes: readonly RouteObservation[]) {
  const measurement = aMeasurement({
    'agent.routes': routes,
    'agent.runtime': aRuntime({ cpuMs: 2_000 }),
    'agent.statements': statements,
  });
  return diagnose([identicalConcurrentRequests], measurement, usualSettings);
}

const rates = (given: Partial<RouteObservation> = {}) =>
  aRoute({
    route: '/exchange-rates',
    requests: 1_000,
    totalMs: 80_000,
    queryMs: 30_000,
    identicalRequests: 860,
    answeredAt: at('src/rates.ts', 12),
    statements: [aCallSite({ statementId: 'rates' })],
    ...given,
  });
const other = aRoute({ route: '/account', requests: 1_000, totalMs: 20_000, queryMs: 8_000 });

test('a popular answer that is worked out by many at once is found, with what one run for all would spare', () => {
  const { findings } = diagnosed(rates(), other);
  expect(findings).toHaveLength(1);
  const [finding] = findings;
  expect(finding).toMatchObject({
    subject: { kind: 'route', route: 'GET /exchange-rates' },
    locations: [{ file: 'src/rates.ts', line: 12 }],
    impact: { resource: 'request-time' },
  });
  // 86 % meet one: two arrive per run, and the runs after the first answer those who waited.
  expect(finding!.impact.share).toBeGreaterThan(0.35);
  expect(finding!.impact.share).toBeLessThan(0.6);
  expect(finding!.message).toContain('86 %');
});

test('a transaction that only reads is a read; one that writes is not', () => {
  const within = (...ids: readonly string[]) =>
    diagnosed(rates({ statements: ['begin', ...ids, 'commit'].map((statementId) => aCallSite({ statementId })) }), other);
  expect(within('rates').findings).toHaveLength(1);
  expect(within('rates', 'visits')).toMatchObject({ findings: [], silences: [{ reason: expect.stringContaining('no SELECT') }] });
});

test('requests that write are not to be shared, and it says so', () => {
  const { findings, silences } = diagnosed(rates({ statements: [aCallSite({ statementId: 'visits' })] }), other);
  expect(findings).toEqual([]);
  expect(silences).toMatchObject([{ subject: 'GET /exchange-rates', reason: expect.stringContaining('no SELECT') }]);
});

test('requests that meet because something else makes them slow are that finding’s', () => {
  const slow = defineRule({
    id: 'database/missing-index',
    title: 'slow',
    description: 'slow',
    requires: ['agent.routes'],
    diagnose: () => [
      {
        ...diagnosed(rates()).findings[0]!,
        subject: { kind: 'statement', key: 'rates', statementId: 'rates', text: 'SELECT * FROM rates', tables: ['rates'], columns: [] },
      },
    ],
  });
  const measurement = aMeasurement({
    'agent.routes': [rates(), other],
    'agent.runtime': aRuntime({ cpuMs: 2_000 }),
    'agent.statements': statements,
  });
  const { findings } = diagnose([identicalConcurrentRequests, slow], measurement, usualSettings);
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(['database/missing-index']);
});

test('few meetings, other methods and sources that cannot tell are no finding', () => {
  expect(diagnosed(rates({ identicalRequests: 30 }), other).findings).toEqual([]);
  expect(diagnosed(rates({ method: 'POST' }), other).findings).toEqual([]);
  const { identicalRequests: _, ...unknown } = rates();
  expect(diagnosed(unknown, other).findings).toEqual([]);
});

test('what was seen a handful of times is not certain', () => {
  const { findings, silences } = diagnosed(rates({ requests: 5, identicalRequests: 4, totalMs: 300, queryMs: 250 }), other);
  expect(findings).toEqual([]);
  expect(silences).toMatchObject([{ reason: expect.stringContaining('certain') }]);
});
