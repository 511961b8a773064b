import { expect, test } from 'vitest';
import { aCallSite, aMeasurement, aRoute, aStatement } from '../finding/fixtures/observations.ts';
import type { Scenario, Workload } from '../workload/workload.ts';
import { scenariosBehind } from './scenarios-behind.ts';

const get = (path: string) => ({ method: 'GET', path }) as const;

function workloadOf(...scenarios: readonly Scenario[]): Workload {
  return {
    name: 'shop',
    seed: 1,
    executor: { type: 'constant-arrival-rate', ratePerSecond: 50 },
    scenarios,
    variables: {},
    login: null,
    thresholds: {},
  };
}

const workload = workloadOf(
  { name: 'browse', weight: 90, steps: [get('/items')] },
  { name: 'report', weight: 1, steps: [get('/items'), get('/report')] },
  { name: 'newcomers', weight: 5, steps: [get('/users/newcomers')] },
  { name: 'profile', weight: 4, steps: [get('/users/{user}')] },
);

test('the rare and dear scenario is behind the time, not the frequent one that runs a cheap statement of the same table', () => {
  const measurement = aMeasurement({
    'agent.routes': [
      aRoute({ route: '/items', requests: 900, statements: [aCallSite({ statementId: 'cheap', calls: 900 })] }),
      aRoute({ route: '/report', requests: 10, statements: [aCallSite({ statementId: 'dear', calls: 10 })] }),
    ],
    'postgres.statements': [
      aStatement({ id: 'cheap', text: 'SELECT 1', calls: 900, totalMs: 90, walBytes: 0 }),
      aStatement({ id: 'dear', text: 'SELECT 2', calls: 10, totalMs: 900, walBytes: 0 }),
    ],
  });
  const statementIds = new Set(['cheap', 'dear']);
  expect(scenariosBehind({ statementIds, judgedByLog: false }, workload, measurement)).toEqual(['report']);
  expect(scenariosBehind({ statementIds: new Set(['cheap']), judgedByLog: false }, workload, measurement)).toContain('browse');
});

test('what is judged by its log is leaned to where rows are written, however little time that takes', () => {
  const measurement = aMeasurement({
    'agent.routes': [
      aRoute({ route: '/items', requests: 900, statements: [aCallSite({ statementId: 'read', calls: 900 })] }),
      aRoute({ route: '/report', requests: 10, statements: [aCallSite({ statementId: 'write', calls: 10 })] }),
    ],
    'postgres.statements': [
      aStatement({ id: 'read', text: 'SELECT 1', calls: 900, totalMs: 9000, walBytes: 0 }),
      aStatement({ id: 'write', text: 'INSERT', kind: 'insert', calls: 10, totalMs: 1, walBytes: 2000 }),
    ],
  });
  const statementIds = new Set(['read', 'write']);
  expect(scenariosBehind({ statementIds, judgedByLog: true }, workload, measurement)).toEqual(['report']);
  expect(scenariosBehind({ statementIds, judgedByLog: false }, workload, measurement)).toContain('browse');
});

test('a step belongs to the route with the fewest parameters that it fits, as routers decide', () => {
  const measurement = aMeasurement({
    'agent.routes': [
      aRoute({ route: '/users/:id', requests: 40, statements: [aCallSite({ statementId: 'one', calls: 40 })] }),
      aRoute({ route: '/users/newcomers', requests: 50, statements: [] }),
    ],
    'postgres.statements': [aStatement({ id: 'one', text: 'SELECT 1', calls: 40, totalMs: 40 })],
  });
  expect(scenariosBehind({ statementIds: new Set(['one']), judgedByLog: false }, workload, measurement)).toEqual(['profile']);
});

test('nothing is behind statements that no agent saw, or that no route ran', () => {
  const statements = [aStatement({ id: 'one', text: 'SELECT 1', calls: 40, totalMs: 40 })];
  const group = { statementIds: new Set(['one']), judgedByLog: false };
  expect(scenariosBehind(group, workload, aMeasurement({ 'postgres.statements': statements }))).toEqual([]);
  expect(
    scenariosBehind(group, workload, aMeasurement({ 'postgres.statements': statements, 'agent.routes': [aRoute({ route: '/items' })] })),
  ).toEqual([]);
});
