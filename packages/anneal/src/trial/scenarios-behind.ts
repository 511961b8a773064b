import type { Measurement } from '../measurement/measurement.ts';
import { meanUs } from '../stats/histogram.ts';
import { stepName } from '../workload/compiled-workload.ts';
import type { Scenario, Step, Workload } from '../workload/workload.ts';
import { routeOfStep } from './route-of-step.ts';
import type { RouteGroup, StatementGroup } from './slice.ts';

/** The scenarios that run the statements a change is judged by. None where no agent saw which route runs them, or none of the workload's does. */
export function scenariosBehind(
  { statementIds, judgedByLog }: Pick<StatementGroup, 'statementIds' | 'judgedByLog'>,
  workload: Workload,
  measurement: Measurement,
): readonly string[] {
  const { 'agent.routes': routes = [], 'postgres.statements': statements = [] } = measurement.observations;
  const costOfCall = new Map(
    statements
      .filter(({ id, calls }) => statementIds.has(id) && calls > 0)
      .map(({ id, calls, totalMs, walBytes }) => [id, (judgedByLog ? walBytes : totalMs) / calls]),
  );
  const costOfRequest = new Map(
    routes
      .filter(({ requests }) => requests > 0)
      .map((route) => [
        `${route.method} ${route.route}`,
        route.statements.reduce((sum, { statementId, calls }) => sum + calls * (costOfCall.get(statementId) ?? 0), 0) / route.requests,
      ]),
  );
  return causesOfHalf(workload, costOfRequest);
}

/** The scenarios that ask for the routes a change is judged by. */
export function scenariosAsking({ routes }: Pick<RouteGroup, 'routes'>, workload: Workload, measurement: Measurement): readonly string[] {
  const seen = (measurement.observations['agent.routes'] ?? []).map(({ method, route }) => `${method} ${route}`);
  return causesOfHalf(workload, new Map([...seen, ...routes].map((route) => [route, routes.has(route) ? 1 : 0])));
}

/**
 * The fewest scenarios, those with the dearest iterations first, that cause half of a cost. What causes the other half runs at
 * least as often for its cost, and is neither rare nor what a slice lacks.
 */
function causesOfHalf(workload: Workload, costOfRequest: ReadonlyMap<string, number>): readonly string[] {
  const costOf = ({ method, path }: Step) => costOfRequest.get(routeOfStep(`${method} ${path}`, costOfRequest.keys()) ?? '') ?? 0;
  const costs = workload.scenarios
    .map(({ name, weight, steps }) => {
      const ofIteration = steps.reduce((sum, step) => sum + costOf(step), 0);
      return { name, ofIteration, ofAll: weight * ofIteration };
    })
    .filter(({ ofAll }) => ofAll > 0)
    .toSorted((one, other) => other.ofIteration - one.ofIteration);
  const half = costs.reduce((sum, { ofAll }) => sum + ofAll, 0) / 2;
  let covered = 0;
  return costs
    .filter(({ ofAll }) => {
      const isNeeded = covered < half;
      covered += ofAll;
      return isNeeded;
    })
    .map(({ name }) => name);
}

/** Mean time one iteration of each scenario spends waiting for the target, milliseconds, by name; of a step that the window did not see none. */
export function busyMsByScenario({ scenarios }: Workload, { observations }: Measurement): ReadonlyMap<string, number> {
  const seen = new Map((observations.load?.steps ?? []).map(({ name, responseTimeUs }) => [name, meanUs(responseTimeUs) / 1000]));
  const busyMs = ({ steps }: Scenario) => steps.reduce((sum, step) => sum + (seen.get(stepName(step)) ?? 0), 0);
  return new Map(scenarios.map((scenario) => [scenario.name, busyMs(scenario)]));
}
