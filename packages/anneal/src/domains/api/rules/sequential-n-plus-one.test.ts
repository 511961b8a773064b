import { describe, expect, test } from 'vitest';
import { aCallSite, aRepeatedCallSite, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { RouteStatementObservation } from '../../../measurement/observations.ts';
import { sequentialNPlusOne } from './sequential-n-plus-one.ts';

const statements = [
  aStatement({
    id: 'lines',
    text: 'SELECT sku, amount FROM order_lines WHERE order_id = $1',
    calls: 2_000,
    totalMs: 600,
    source: 'server',
  }),
  aStatement({ id: 'orders', text: 'SELECT id FROM orders WHERE customer_id = $1' }),
  aStatement({ id: 'begin', text: 'BEGIN', kind: 'other' }),
];
const loop = (given: Partial<RouteStatementObservation> = {}, requests = 100, perRequest = 20) =>
  aRepeatedCallSite('lines', { requests, perRequest, meanMs: 1 }, { location: at('src/orders.ts', 31, 'withLines'), ...given });
const diagnose = (...sites: readonly RouteStatementObservation[]) =>
  outcomesOf(sequentialNPlusOne, {
    'agent.routes': [aRoute({ route: '/customers/:id/orders', requests: 100, totalMs: 5_000, queryMs: 3_000, statements: sites })],
    'agent.runtime': aRuntime({ cpuMs: 1_000 }),
    'postgres.statements': statements,
  });

describe('a loop that asks for the lines of each order', () => {
  test('is found at its line, with its share of request time and the statement that gave the ids', () => {
    const { findings } = diagnose(loop({ parentStatementId: 'orders' }));
    expect(findings).toHaveLength(1);
    const [finding] = findings;
    expect(finding).toMatchObject({
      level: 'error',
      subject: { kind: 'route', route: 'GET /customers/:id/orders', statementId: 'lines' },
      locations: [{ file: 'src/orders.ts', line: 31 }],
      impact: { resource: 'request-time', share: 0.5 },
    });
    expect(evidenceOf(finding, 'calls per request that repeats it')).toBe(20);
    expect(evidenceOf(finding, 'time saved per request with one statement')).toBeCloseTo(19);
    expect(evidenceOf(finding, 'statement whose rows hold the parameters')).toBe('SELECT id FROM orders WHERE customer_id = $1');
    expect(finding!.message).toContain('src/orders.ts:31 in withLines');
    expect(finding!.proposal.text).toContain('JOIN');
  });

  test('is answered with the statement to write, and a gain between the round trips and all of it', () => {
    const [finding] = diagnose(loop()).findings;
    expect(finding!.proposal.text).toContain('tenant');
    const expected = finding!.proposal.expected!;
    // 19 of 20 calls of 1 ms; the server needs 0.3 ms of each.
    expect(expected.point).toBeCloseTo(-0.5 * 0.95);
    expect(expected.upper).toBeCloseTo(-0.5 * 0.95 * 0.7);
    expect(expected.lower).toBeLessThanOrEqual(expected.point);
  });

  test('is one cause however many routes come by', () => {
    const { findings } = outcomesOf(sequentialNPlusOne, {
      'agent.routes': ['/orders', '/basket'].map((route) =>
        aRoute({ route, requests: 100, totalMs: 4_000, queryMs: 3_000, statements: [loop()] }),
      ),
      'agent.runtime': aRuntime({ cpuMs: 2_000 }),
      'postgres.statements': statements,
    });
    expect(findings).toHaveLength(1);
    expect(evidenceOf(findings[0], 'routes that come by here')).toBe('GET /orders, GET /basket');
    expect(findings[0]!.impact.share).toBeCloseTo(4_000 / 8_000);
  });

  test('counts though some of its keys come twice', () => {
    expect(diagnose(loop({ distinctParametersShare: 0.4 })).findings).toHaveLength(1);
  });
});

describe('silent, with the reason', () => {
  test.each<[string, Partial<RouteStatementObservation>, RegExp]>([
    ['a pair of calls', { maxCallsPerRequest: 2, repeatingRequests: 0, repeatingCalls: 0 }, /at most twice in a request/],
    ['calls side by side', { overlappingShare: 0.95 }, /side by side: api\/parallel-n-plus-one/],
    ['the same parameters again', { distinctParametersShare: 0.05 }, /asks the same again \(api\/duplicate-query\)/],
    ['a lookup that is seldom repeated', { calls: 20_000, requests: 18_100 }, /only 10 % of its calls/],
    ['a loop that ran twice in the window', { repeatingRequests: 2, repeatingCalls: 40, calls: 40, totalMs: 40 }, /below 1 %/],
    ['statements of the transaction', { statementId: 'begin' }, /controls the session/],
  ])('about %s', (_name, given, reason) => {
    const { findings, reasons } = diagnose(loop(given));
    expect(findings).toEqual([]);
    expect(reasons).toEqual([expect.stringMatching(reason)]);
  });

  test('and without a word about statements that run once', () => {
    expect(diagnose(aCallSite({ statementId: 'orders' }))).toEqual({ findings: [], reasons: [] });
  });
});
