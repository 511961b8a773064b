import { expect, test } from 'vitest';
import { aCallSite, aMeasurement, aRoute, aStatement } from '../finding/fixtures/observations.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Executor, Workload } from '../workload/workload.ts';
import { leanTo } from './lean-to-changes.ts';
import type { TriedChange } from './planned-change.ts';

const workload: Workload = {
  name: 'shop',
  seed: 1,
  executor: { type: 'constant-arrival-rate', ratePerSecond: 50 },
  scenarios: [
    { name: 'browse', weight: 99, steps: [{ method: 'GET', path: '/items' }] },
    { name: 'rate', weight: 1, steps: [{ method: 'PUT', path: '/items/{item}/rating' }] },
  ],
  variables: {},
  login: null,
  thresholds: {},
};

const statements = [
  aStatement({ id: 'browse', text: 'SELECT', calls: 1485, totalMs: 1485 }),
  aStatement({ id: 'rate', text: 'INSERT', kind: 'insert', calls: 15, totalMs: 30, walBytes: 3000 }),
];

const measurement = aMeasurement({
  'agent.routes': [
    aRoute({ route: '/items', requests: 1485, statements: [aCallSite({ statementId: 'browse', calls: 1485 })] }),
    aRoute({ method: 'PUT', route: '/items/:id/rating', requests: 15, statements: [aCallSite({ statementId: 'rate', calls: 15 })] }),
  ],
  'postgres.statements': statements,
});

function aChange(metric: MetricId, touched: TriedChange['touched']): TriedChange {
  return {
    id: metric,
    findings: [],
    remedy: {
      id: 'own/change',
      scope: 'database',
      effort: 'none',
      apply: async () => undefined,
      cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
    },
    scope: 'database',
    plan: {},
    metric,
    prediction: null,
    description: { title: 'Drop an index', sql: null, lasting: null },
    touched,
  };
}

const touching = (...statementIds: readonly string[]) => ({ statementIds, routes: [], writtenTables: [] });
const bench = { workload, sliceMs: 2000, looks: [9, 12], measurement };

test('a change of a rare write is tried with more of that write, at the same rate, and the trial says so', () => {
  const change = aChange('wal.bytes:without an index', touching('rate'));
  const { workload: leaned, leanings, notes } = leanTo([change], bench);
  const leaning = leanings.get(change.id)!;
  expect(leaning).toMatchObject({
    scenarios: ['rate'],
    ordinaryPerSlice: expect.closeTo(1, 6),
    perSlice: expect.closeTo(Math.log(1200), 6),
  });
  expect(leaned.scenarios[1]!.weight).toBeCloseTo(leaning.factor, 6);
  expect(leaned.executor).toEqual(workload.executor);
  expect(notes).toEqual([expect.stringContaining('Drop an index: traffic leaned to "rate"')]);
});

test('ordinary traffic stays where statements are frequent, where something else decides, and where anything may be touched', () => {
  for (const change of [
    aChange('database.time:an index', touching('browse')),
    aChange('pool.wait', touching('rate')),
    aChange('cpu.time', null),
    aChange('database.time', null),
  ]) {
    expect(leanTo([change], bench)).toEqual({ workload, leanings: new Map(), notes: [] });
  }
});

test('says that it could not lean where nobody saw which scenario runs the statements, and where traffic is a recording', () => {
  const change = aChange('wal.bytes:without an index', touching('rate'));
  const unseen = leanTo([change], { ...bench, measurement: aMeasurement({ 'postgres.statements': statements }) });
  expect(unseen.workload).toBe(workload);
  expect(unseen.notes).toEqual(['Drop an index: its statements run 1 times in a slice, and no agent saw which scenario runs them']);
  const executor: Executor = { type: 'recorded-arrivals', lengthMs: 1000, arrivals: [] };
  const recorded = leanTo([change], { ...bench, workload: { ...workload, executor } });
  expect(recorded.workload.scenarios).toBe(workload.scenarios);
  expect(recorded.notes).toEqual(['Drop an index: its statements run 1 times in a slice, and recorded traffic is played as it was']);
});

test('what is judged by a rare route is tried with more of it: of its answers a few, of its times enough for a mean', () => {
  const touched = { statementIds: [], routes: ['PUT /items/:id/rating'], writtenTables: [] };
  const perSlice = (metric: MetricId) => leanTo([aChange(metric, touched)], bench).leanings.get(metric)!.perSlice;
  expect(perSlice('response.bytes:PUT /items/:id/rating')).toBeCloseTo(Math.log(1200), 6);
  expect(perSlice('route.time:PUT /items/:id/rating')).toBeGreaterThan(4 * Math.log(1200) - 1);
});

test('a closed executor is leaned by what it managed in the window', () => {
  const executor: Executor = { type: 'constant-vus', vus: 4 };
  const change = aChange('wal.bytes:without an index', touching('rate'));
  const load = { startedIterations: 1500, durationMs: 30_000, steps: [] };
  const window = { ...measurement, observations: { ...measurement.observations, load } } as unknown as typeof measurement;
  const { leanings } = leanTo([change], { ...bench, workload: { ...workload, executor }, measurement: window });
  expect(leanings.get(change.id)!.ordinaryPerSlice).toBeCloseTo(1, 6);
});
