import { quantity } from '../finding/wording.ts';
import type { Measurement } from '../measurement/measurement.ts';
import { arrivalTimesMs, isOpen } from '../workload/arrival-schedule.ts';
import type { Workload } from '../workload/workload.ts';
import { leaningInWords, leanTraffic, timedIterations, wantedIterations, type Behind, type Leaning } from './lean-traffic.ts';
import { routeGroup, statementGroup, type TriedChange } from './planned-change.ts';
import { busyMsByScenario, scenariosAsking, scenariosBehind } from './scenarios-behind.ts';

export interface TrafficOfTrial {
  readonly workload: Workload;
  /** By change id; only of those that something was leaned to for. */
  readonly leanings: ReadonlyMap<string, Leaning>;
  /** What was leaned to, and what could not be although it is rare. */
  readonly notes: readonly string[];
}

/**
 * The traffic of a trial: ordinary, unless the statements or routes that a change is judged by are so rare that slices would go
 * by without one, or with too few for a mean of their times. What is judged by anything else (a pool by waiting, somebody's own
 * change by CPU time) is judged in ordinary traffic alone. `measurement` is of ordinary traffic.
 */
export function leanTo(
  changes: readonly TriedChange[],
  {
    workload,
    sliceMs,
    looks,
    measurement,
  }: { readonly workload: Workload; readonly sliceMs: number; readonly looks: readonly number[]; readonly measurement: Measurement },
): TrafficOfTrial {
  const watched = changes.flatMap((change) => watchedBy(change, { workload, rounds: looks.at(-1)!, measurement }));
  const leaned = leanTraffic({
    workload,
    perSlice: iterationsPerSlice(workload, sliceMs, measurement),
    behind: watched,
    busyMs: busyMsByScenario(workload, measurement),
  });
  const leanings = new Map<string, Leaning>();
  const notes: string[] = [];
  for (const [index, { change, what, seen, scenarios, wantedPerSlice }] of watched.entries()) {
    const leaning = leaned.leanings[index]!;
    if (leaning !== null) {
      leanings.set(change.id, leaning);
      notes.push(`${change.description.title}: ${leaningInWords(leaning)}`);
    }
    const perSlice = (seen * sliceMs) / measurement.durationMs;
    if (perSlice >= wantedPerSlice || leaning !== null) continue;
    const reason =
      workload.executor.type === 'recorded-arrivals'
        ? 'recorded traffic is played as it was'
        : scenarios.length === 0
          ? 'no agent saw which scenario runs them'
          : null;
    if (reason !== null) notes.push(`${change.description.title}: ${what} run ${quantity(perSlice)} times in a slice, and ${reason}`);
  }
  return { workload: leaned.workload, leanings, notes };
}

interface Watched extends Behind {
  readonly change: TriedChange;
  readonly what: 'its statements' | 'its routes';
  /** Runs in the measurement's window. */
  readonly seen: number;
}

function watchedBy(
  change: TriedChange,
  { workload, rounds, measurement }: { readonly workload: Workload; readonly rounds: number; readonly measurement: Measurement },
): readonly Watched[] {
  const { 'agent.routes': routes = [], 'postgres.statements': statements = [] } = measurement.observations;
  return [
    ...statementGroup(change).map((group): Watched => ({
      change,
      what: 'its statements',
      seen: statements.reduce((sum, { id, calls }) => sum + (group.statementIds.has(id) ? calls : 0), 0),
      scenarios: scenariosBehind(group, workload, measurement),
      wantedPerSlice: wantedIterations(rounds),
    })),
    ...routeGroup(change).map((group): Watched => ({
      change,
      what: 'its routes',
      seen: routes.reduce((sum, { method, route, requests }) => sum + (group.routes.has(`${method} ${route}`) ? requests : 0), 0),
      scenarios: scenariosAsking(group, workload, measurement),
      wantedPerSlice: group.judgedByTime ? timedIterations : wantedIterations(rounds),
    })),
  ];
}

/**
 * Planned by an open executor; those of a closed one depend on the target and are what it managed in the window. None that
 * could be leaned where a recording says which iteration comes when.
 */
function iterationsPerSlice({ executor }: Workload, sliceMs: number, { observations }: Measurement): number {
  if (executor.type === 'recorded-arrivals') return 0;
  if (isOpen(executor)) return [...arrivalTimesMs({ ...executor, arrivals: 'even' }, sliceMs, 0)].length;
  const load = observations.load;
  return load === undefined ? 0 : (load.startedIterations * sliceMs) / load.durationMs;
}
