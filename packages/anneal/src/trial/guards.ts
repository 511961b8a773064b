import type { Measurement } from '../measurement/measurement.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Calibration } from './calibrate-arms.ts';
import { guardMargin } from './calibrate.ts';
import type { Guard } from './decide.ts';
import { leanedAllowance, type Leaning } from './lean-traffic.ts';
import { routeGroup, statementGroup, type TriedChange } from './planned-change.ts';
import { toggledPolicies } from './toggling.ts';
import type { NoiseFloor, TrialDesign } from './trial.ts';

/** What decides how far a guard may move before it counts as worse. */
interface Guarded {
  readonly calibration: Pick<Calibration, 'noise' | 'floor'>;
  readonly design: Pick<TrialDesign, 'looks' | 'nominalLevel'>;
  /** Of ordinary traffic. */
  readonly measurement: Measurement;
  readonly writeVolumeMargin: number;
}

const guardedMetrics: readonly MetricId[] = ['cpu.time', 'latency.p95', 'latency.p99', 'errors', 'memory'];

/**
 * What a change must not make worse. One that may touch anything must not move its cost into the database either; it is
 * held to what these arms can measure at all, and the report names what they cannot.
 */
function guardedBy(change: TriedChange, floor: NoiseFloor): readonly MetricId[] {
  // Both states of a toggled policy live in one memory: that is compared in fresh processes, when everything kept is confirmed.
  const isToggled = toggledPolicies([change]) !== null;
  if (!mayTouchAnything(change)) return guardedMetrics.filter((metric) => metric !== 'memory' || !isToggled);
  const measured = new Set(floor.rounds.flatMap((round) => Object.keys(round.baseline.metrics)));
  // Who is refused must not be one who could have been answered.
  const guarded: readonly MetricId[] = change.remedy.refuses === true ? [...guardedAnywhere, 'answer.interval'] : guardedAnywhere;
  return guarded.filter((metric) => metric !== change.metric && measured.has(metric));
}

/** Another source or environment may, also where it is known which routes it is judged by. */
function mayTouchAnything({ touched, scope }: TriedChange): boolean {
  return touched === null || scope === 'launch';
}

/** For a change that may touch anything. */
export const guardedAnywhere: readonly MetricId[] = [...guardedMetrics, 'database.time'];

/** What a change is held to besides its own metric, and how far each may get worse; `leaning` is that of its trial's traffic. */
export function guardsOf(
  change: TriedChange,
  { calibration, design, measurement, writeVolumeMargin }: Guarded,
  leaning: Leaning | undefined,
): readonly Guard[] {
  const guarded = guardedBy(change, calibration.floor);
  // Margins are what the first look can tell: a guard that only the last look could hold would double every trial.
  const count = guarded.length + 1;
  const margin = (metric: MetricId) =>
    Math.max(
      leanedAllowance(metric, change.allowances?.[metric] ?? 0, leaning),
      guardMargin(
        metric,
        calibration.noise.find((figure) => figure.metric === metric),
        design.looks[0]!,
        design.nominalLevel,
        count,
      ),
    );
  const guards = guarded.map((metric) => ({ metric, margin: margin(metric) }));
  const [group] = statementGroup(change);
  // What is judged by its writes' log must not make the same statements slower.
  if (group !== undefined && change.metric === `wal.bytes:${group.key}`) {
    const metric: MetricId = `database.time:${group.key}`;
    return [...guards, { metric, margin: margin(metric) }];
  }
  // What is judged by a part of its requests' time must not make the whole of it longer.
  const [routes] = routeGroup(change);
  if (routes !== undefined && change.metric === `connect.time:${routes.key}`) {
    const metric: MetricId = `route.time:${routes.key}`;
    return [...guards, { metric, margin: margin(metric) }];
  }
  const writeVolume = writeVolumeGuard(change, measurement, writeVolumeMargin);
  return writeVolume === null ? guards : [...guards, { ...writeVolume, margin: Math.max(writeVolume.margin, margin(writeVolume.metric)) }];
}

/**
 * An index is paid for in write-ahead log by design; the budget for that is the user's, a share of what the whole
 * workload writes. It is held against the writes of the change's own tables, so that changes which share their
 * slices do not pay for each other: a quarter of all is two and a half times a tenth of it.
 */
function writeVolumeGuard(change: TriedChange, { observations }: Measurement, budgetShare: number): Guard | null {
  const [group] = statementGroup(change);
  if (group === undefined && !mayTouchAnything(change)) return null;
  const metric: MetricId = group === undefined ? 'wal.bytes' : `wal.bytes:${group.key}`;
  if (metric === change.metric) return null;
  // Of ordinary traffic: in traffic that leans to these writes they would seem to be more of the whole.
  const statements = observations['postgres.statements'] ?? [];
  const written = (counted: typeof statements) => counted.reduce((sum, { walBytes }) => sum + walBytes, 0);
  const own = written(group === undefined ? statements : statements.filter(({ id }) => group.statementIds.has(id)));
  return own === 0 ? null : { metric, margin: (budgetShare * written(statements)) / own };
}
