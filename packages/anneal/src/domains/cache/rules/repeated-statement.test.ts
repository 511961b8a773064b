import { expect, test } from 'vitest';
import { diagnose } from '../../../finding/diagnose.ts';
import {
  aCallSite,
  aMeasurement,
  aRoute,
  aRuntime,
  aStatement,
  anOutgoing,
  at,
  repeatedAnswers,
} from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteObservation, StatementObservation } from '../../../measurement/observations.ts';
import { aLoadResult, aStepResult } from '../../../workload/fixtures/load-results.ts';
import { repeatedStatement } from './repeated-statement.ts';

const pricesOf = (given: Partial<StatementObservation> = {}) =>
  aStatement({
    id: 'prices',
    text: 'SELECT * FROM price_lists WHERE tenant = $1',
    tables: ['public.price_lists'],
    calls: 2_000,
    totalMs: 3_000,
    locations: [at('src/prices.ts', 31)],
    repetition: { calls: 1_000, repeats: 950 },
    ...given,
  });
const quote = (given: Partial<RouteObservation> = {}) =>
  aRoute({
    method: 'POST',
    route: '/quotes/:tenant',
    requests: 2_000,
    totalMs: 30_000,
    queryMs: 4_000,
    statements: [aCallSite({ statementId: 'prices', calls: 2_000, totalMs: 3_000 })],
    ...given,
  });

function diagnosed(prices: StatementObservation, { route = quote(), writes = 10, steps = ['POST /quotes/{tenant}'] } = {}) {
  return diagnose(
    [repeatedStatement],
    aMeasurement({
      load: aLoadResult({ steps: steps.map((name) => aStepResult({ name })) }),
      'agent.routes': [route],
      'agent.runtime': aRuntime({ cpuMs: 2_000 }),
      'agent.statements': [
        prices,
        aStatement({ id: 'raise', text: 'UPDATE price_lists SET cents = $1', kind: 'update', tables: ['price_lists'], calls: writes }),
        aStatement({ id: 'log', text: 'INSERT INTO quotes DEFAULT VALUES', kind: 'insert', tables: ['quotes'], calls: 9_000 }),
      ],
    }),
    usualSettings,
  );
}

test('a statement whose parameters come again is found, with what is certain however many rows a write touches', () => {
  const { findings } = diagnosed(pricesOf());
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({
    subject: { kind: 'statement', statementId: 'prices' },
    locations: [{ file: 'src/prices.ts', line: 31 }],
  });
  // 50 keys are asked for 40 times each, beside 10 writes; half of request time is that statement's.
  expect(findings[0]!.impact.share).toBeCloseTo(0.95 * (40 / 50) * (3_000 / 6_000), 5);
  expect(findings[0]!.impact.certainShare).toBeLessThan(findings[0]!.impact.share);
  expect(findings[0]!.proposal.expected!.lower).toBeCloseTo(-0.95 * 0.5, 5);
});

test.each<[string, StatementObservation, number]>([
  ['a table that is written more often than it is read', pricesOf(), 20_000],
  ['a statement that locks', pricesOf({ text: 'SELECT * FROM price_lists WHERE tenant = $1 FOR UPDATE' }), 10],
  ['two repeats are no rate', pricesOf({ repetition: { calls: 3, repeats: 1 } }), 0],
])('%s: nothing to keep, and it says so', (_name, prices, writes) => {
  const { findings, silences } = diagnosed(prices, { writes });
  expect(findings).toEqual([]);
  expect(silences).toHaveLength(1);
});

const { repetition: _, ...unseen } = pricesOf();
test.each<[string, StatementObservation]>([
  ['every call asks for something new', pricesOf({ repetition: { calls: 1_000, repeats: 0 } })],
  ['nobody looked', unseen],
  ['it reads no table', pricesOf({ text: 'SELECT $1', tables: [] })],
  ['it writes', pricesOf({ kind: 'update' })],
  ['only work of no request asks it', pricesOf({ id: 'elsewhere' })],
])('nothing is found where %s', (_name, prices) => {
  expect(diagnosed(prices).findings).toEqual([]);
});

test('what a cache of whole answers would spare is not counted twice', () => {
  const whole = quote({ method: 'GET', answers: repeatedAnswers(1_000, 990, 990) });
  expect(diagnosed(pricesOf(), { route: whole, writes: 0 }).findings).toEqual([]);
  // Such answers cannot be kept: they are made of what others say too.
  const made = { ...whole, outgoing: [anOutgoing({ requests: 2_000, perRequest: 1, meanMs: 2 })] };
  expect(diagnosed(pricesOf(), { route: made, writes: 0 }).findings).toHaveLength(1);
});

test('it is a question; where the workload itself writes out the parameters it says so, but not of a statement without any', () => {
  const steps = ['1. POST /quotes/7', '2. POST /quotes/8'];
  expect(diagnosed(pricesOf()).findings[0]).toMatchObject({
    level: 'note',
    message: expect.not.stringContaining('written-out') as unknown,
  });
  expect(diagnosed(pricesOf(), { steps }).findings[0]!.message).toContain('written-out');
  const all = pricesOf({ text: 'SELECT * FROM price_lists' });
  expect(diagnosed(all, { steps }).findings[0]!.message).not.toContain('written-out');
});
