import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { aCallSite, aMeasurement, aRepeatedCallSite, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteStatementObservation, StatementObservation } from '../../../measurement/observations.ts';
import { duplicateQuery } from './duplicate-query.ts';
import { sequentialNPlusOne } from './sequential-n-plus-one.ts';

const tariff = 'SELECT rate FROM tariffs WHERE region = $1';
const asked = (given: Partial<RouteStatementObservation> = {}) =>
  aCallSite({
    statementId: 'tariff',
    location: at('src/quote.ts', 44, 'priceOf'),
    calls: 300,
    requests: 100,
    maxCallsPerRequest: 3,
    duplicateCalls: 200,
    totalMs: 600,
    ...given,
  });
const observations = (
  site: RouteStatementObservation,
  statement: Partial<StatementObservation> = {},
  further: readonly RouteStatementObservation[] = [],
) => ({
  'agent.routes': [
    aRoute({ route: '/quotes', method: 'POST', requests: 100, totalMs: 3_000, queryMs: 1_500, statements: [site, ...further] }),
  ],
  'agent.runtime': aRuntime({ cpuMs: 500 }),
  'postgres.statements': [aStatement({ id: 'tariff', text: tariff, ...statement })],
});

describe('a tariff that one quote asks for three times', () => {
  test('costs its repetitions, and is located where it is asked again and where it was known', () => {
    const first = aCallSite({ statementId: 'tariff', location: at('src/session.ts', 9, 'open') });
    const [finding] = outcomesOf(duplicateQuery, observations(asked(), {}, [first])).findings;
    expect(finding).toMatchObject({ level: 'error', impact: { resource: 'request-time', share: (200 * 2) / 2_000 } });
    expect(finding!.locations.map(({ file }) => file)).toEqual(['src/quote.ts', 'src/session.ts']);
    expect(evidenceOf(finding, 'calls that repeat text and parameters')).toBe(200);
    expect(finding!.message).toContain('2 times per request');
    expect(finding!.proposal.expected!.point).toBeCloseTo(-0.2);
  });
});

test.each<[string, Partial<StatementObservation>, Partial<RouteStatementObservation>, RegExp]>([
  ['a write', { kind: 'update', text: 'UPDATE stock SET held = held + 1 WHERE sku = $1' }, {}, /does not only read/],
  ['a lock', { text: 'SELECT id FROM stock WHERE sku = $1 FOR UPDATE' }, {}, /takes a lock/],
  ['a sequence', { text: "SELECT nextval('quote_numbers')" }, {}, /new value each time/],
  ['what is cheap', {}, { totalMs: 3 }, /below 1 %/],
  ['what happened once', {}, { duplicateCalls: 1, totalMs: 60_000 }, /of it certain: below 1 %/],
])('silent about %s, with the reason', (_name, statement, site, reason) => {
  const { findings, reasons } = outcomesOf(duplicateQuery, observations(asked(site), statement));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where nothing is asked twice', () => {
  expect(outcomesOf(duplicateQuery, observations(asked({ duplicateCalls: 0 })))).toEqual({ findings: [], reasons: [] });
});

test('yields to a loop over data whose keys partly repeat: batching removes both', () => {
  const loop = aRepeatedCallSite(
    'tariff',
    { requests: 100, perRequest: 20, meanMs: 1 },
    { distinctParametersShare: 0.5, duplicateCalls: 1_000 },
  );
  const { findings, silences } = diagnoseAll([duplicateQuery, sequentialNPlusOne], aMeasurement(observations(loop)), usualSettings);
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/sequential-n-plus-one']);
  expect(silences.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^explained by api\/sequential-n-plus-one/)]);
});
