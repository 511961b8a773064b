import { quantity } from '../finding/wording.ts';
import type { Measurement } from '../measurement/measurement.ts';
import { arrivalTimesMs, isOpen } from '../workload/arrival-schedule.ts';
import type { Workload } from '../workload/workload.ts';
import { leaningInWords, leanTraffic, wantedIterations, type Leaning } from './lean-traffic.ts';
import { statementGroup, type TriedChange } from './planned-change.ts';
import { busyMsByScenario, scenariosBehind } from './scenarios-behind.ts';
import type { StatementGroup } from './slice.ts';

export interface TrafficOfTrial {
  readonly workload: Workload;
  /** By change id; only of those that something was leaned to for. */
  readonly leanings: ReadonlyMap<string, Leaning>;
  /** What was leaned to, and what could not be although it is rare. */
  readonly notes: readonly string[];
}

/**
 * The traffic of a trial: ordinary, unless statements that a change is judged by are so rare that slices would go by
 * without one. What is judged by anything else (a policy by waiting, somebody's own change by CPU time) is judged in
 * ordinary traffic alone. `measurement` is of ordinary traffic.
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
  const wantedPerSlice = wantedIterations(looks.at(-1)!);
  const watched = changes.flatMap((change) =>
    statementGroup(change).map((group) => ({ change, group, behind: scenariosBehind(group, workload, measurement) })),
  );
  const leaned = leanTraffic({
    workload,
    perSlice: iterationsPerSlice(workload, sliceMs, measurement),
    wantedPerSlice,
    behind: watched.map(({ behind }) => behind),
    busyMs: busyMsByScenario(workload, measurement),
  });
  const leanings = new Map<string, Leaning>();
  const notes: string[] = [];
  for (const [index, { change, group, behind }] of watched.entries()) {
    const leaning = leaned.leanings[index]!;
    if (leaning !== null) {
      leanings.set(change.id, leaning);
      notes.push(`${change.description.title}: ${leaningInWords(leaning)}`);
    }
    const calls = callsPerSlice(group, sliceMs, measurement);
    if (calls >= wantedPerSlice || leaning !== null) continue;
    const reason =
      workload.executor.type === 'recorded-arrivals'
        ? 'recorded traffic is played as it was'
        : behind.length === 0
          ? 'no agent saw which scenario runs them'
          : null;
    if (reason !== null) notes.push(`${change.description.title}: its statements run ${quantity(calls)} times in a slice, and ${reason}`);
  }
  return { workload: leaned.workload, leanings, notes };
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

function callsPerSlice({ statementIds }: StatementGroup, sliceMs: number, { observations, durationMs }: Measurement): number {
  const statements = observations['postgres.statements'] ?? [];
  return (statements.reduce((sum, { id, calls }) => sum + (statementIds.has(id) ? calls : 0), 0) * sliceMs) / durationMs;
}
