import { seededRandom } from '../stats/random.ts';
import type { Executor, RecordedArrival, RecordedArrivals } from './workload.ts';

export type OpenExecutor = RateExecutor | RecordedArrivals;
export type RateExecutor = Extract<Executor, { readonly type: 'constant-arrival-rate' | 'ramping-arrival-rate' }>;
export type ClosedExecutor = Extract<Executor, { readonly type: 'constant-vus' | 'ramping-vus' }>;

export function isOpen(executor: Executor): executor is OpenExecutor {
  return !isClosed(executor);
}

function isClosed(executor: Executor): executor is ClosedExecutor {
  return executor.type === 'constant-vus' || executor.type === 'ramping-vus';
}

/** An iteration that is due. */
export interface Arrival {
  /** After the start of the window. */
  readonly atMs: number;
  /** What it was when it was recorded; null where the seed draws what it is. */
  readonly recorded: RecordedArrival | null;
}

/** The iterations due before `durationMs`, in order. The same seed gives the same. */
export function* arrivalsOf(executor: OpenExecutor, durationMs: number, seed: number): Generator<Arrival, void> {
  if (executor.type === 'recorded-arrivals') yield* recordedArrivals(executor, durationMs, seed);
  else for (const atMs of arrivalTimesMs(executor, durationMs, seed)) yield { atMs, recorded: null };
}

function* recordedArrivals(executor: RecordedArrivals, durationMs: number, seed: number): Generator<Arrival, void> {
  const { arrivals, lengthMs, speed = 1 } = executor;
  if (arrivals.length === 0) return;
  const spanMs = durationMs * speed;
  // Where the whole recording fits it is played from its beginning; else windows of different seeds see different parts.
  const fromMs = spanMs >= lengthMs ? 0 : seededRandom(seed, 'arrivals').next() * (lengthMs - spanMs);
  let index = arrivals.findIndex(({ atMs }) => atMs >= fromMs);
  for (let startMs = -fromMs; index !== -1; startMs += lengthMs, index = 0) {
    for (; index < arrivals.length; index += 1) {
      const recorded = arrivals[index]!;
      const atMs = (startMs + recorded.atMs) / speed;
      if (atMs >= durationMs) return;
      yield { atMs, recorded };
    }
  }
}

/**
 * The times, in milliseconds after the start and before `durationMs`, at which iterations are due.
 *
 * Even arrivals stand where the integral of the rate is 0.5, 1.5, 2.5 ..., so that a window holds the
 * rounded integral whatever the ramp, and windows that follow each other keep the spacing. Poisson
 * arrivals are a unit-rate process seen through the same integral (the time-rescaling theorem).
 */
export function* arrivalTimesMs(executor: RateExecutor, durationMs: number, seed: number): Generator<number, void> {
  const random = executor.arrivals === 'poisson' ? seededRandom(seed, 'arrivals') : null;
  const untilNext = () => (random === null ? 1 : -Math.log(1 - random.next()));
  let arrivals = random === null ? 0.5 : untilNext();
  let arrivalsBefore = 0;
  for (const segment of rateSegments(executor, durationMs)) {
    for (;;) {
      const insideMs = timeInSegmentMs(segment, arrivals - arrivalsBefore);
      if (insideMs === null) break;
      yield Math.min(segment.startMs + insideMs, segment.startMs + segment.durationMs);
      arrivals += untilNext();
    }
    arrivalsBefore += arrivalsIn(segment);
  }
}

/** What a run without a duration of its own takes: the recording, or the sum of the stages; null for executors that go on for ever. */
export function stagesDurationMs(executor: Executor): number | null {
  if (executor.type === 'recorded-arrivals') return executor.lengthMs / (executor.speed ?? 1);
  return 'stages' in executor ? executor.stages.reduce((sum, stage) => sum + stage.durationMs, 0) : null;
}

/** When virtual user `index` (from 0) is at work: where the interpolated number of users is at least index + 1. */
export function activeIntervalsMs(
  executor: ClosedExecutor,
  index: number,
  durationMs: number,
): readonly { readonly startMs: number; readonly endMs: number }[] {
  const intervals: { startMs: number; endMs: number }[] = [];
  for (const segment of vuSegments(executor, durationMs)) {
    const active = activePart(segment, index + 1);
    if (active === null) continue;
    const previous = intervals.at(-1);
    if (previous !== undefined && active.startMs <= previous.endMs) previous.endMs = active.endMs;
    else intervals.push(active);
  }
  return intervals;
}

export function mostVus(executor: ClosedExecutor): number {
  if (executor.type === 'constant-vus') return executor.vus;
  return Math.max(executor.startVus, ...executor.stages.map((stage) => stage.targetVus));
}

/** A stretch in which a level (arrivals per second, or users) goes from `from` to `to` in a straight line. */
interface Segment {
  readonly startMs: number;
  readonly durationMs: number;
  readonly from: number;
  readonly to: number;
}

function rateSegments(executor: RateExecutor, durationMs: number): readonly Segment[] {
  if (executor.type === 'constant-arrival-rate') {
    return [{ startMs: 0, durationMs, from: executor.ratePerSecond, to: executor.ratePerSecond }];
  }
  const stages = executor.stages.map((stage) => ({ durationMs: stage.durationMs, target: stage.targetRatePerSecond }));
  return segments(executor.startRatePerSecond, stages, durationMs);
}

function vuSegments(executor: ClosedExecutor, durationMs: number): readonly Segment[] {
  if (executor.type === 'constant-vus') return [{ startMs: 0, durationMs, from: executor.vus, to: executor.vus }];
  const stages = executor.stages.map((stage) => ({ durationMs: stage.durationMs, target: stage.targetVus }));
  return segments(executor.startVus, stages, durationMs);
}

/** Cut at `durationMs`; when that is longer than the stages, the last level holds. A stage of no length is a jump. */
function segments(
  from: number,
  stages: readonly { readonly durationMs: number; readonly target: number }[],
  durationMs: number,
): readonly Segment[] {
  const found: Segment[] = [];
  let startMs = 0;
  let level = from;
  for (const stage of [...stages, { durationMs, target: stages.at(-1)?.target ?? from }]) {
    const kept = Math.min(stage.durationMs, durationMs - startMs);
    if (kept > 0) {
      const to = level + (stage.target - level) * (kept / stage.durationMs);
      found.push({ startMs, durationMs: kept, from: level, to });
    }
    startMs += kept;
    level = stage.target;
  }
  return found;
}

function arrivalsIn(segment: Segment): number {
  return ((segment.from + segment.to) / 2) * (segment.durationMs / 1000);
}

/**
 * Where inside the segment the integral of its rate reaches `arrivals`; null when it does not.
 * Solves from·t + slope·t²/2 = arrivals in the form that does not cancel when the slope is near 0.
 */
function timeInSegmentMs(segment: Segment, arrivals: number): number | null {
  if (arrivals >= arrivalsIn(segment)) return null;
  const seconds = segment.durationMs / 1000;
  const slope = (segment.to - segment.from) / seconds;
  const discriminant = Math.max(segment.from * segment.from + 2 * slope * arrivals, 0);
  return ((2 * arrivals) / (segment.from + Math.sqrt(discriminant))) * 1000;
}

function activePart(segment: Segment, level: number): { startMs: number; endMs: number } | null {
  const { startMs, durationMs, from, to } = segment;
  const endMs = startMs + durationMs;
  if (from >= level && to >= level) return { startMs, endMs };
  if (from < level && to < level) return null;
  const crossingMs = startMs + (durationMs * (level - from)) / (to - from);
  if (from < level) return crossingMs < endMs ? { startMs: crossingMs, endMs } : null;
  return crossingMs > startMs ? { startMs, endMs: crossingMs } : null;
}
