import { AnnealError } from '../errors.ts';
import type { StatementSample } from '../ports/planner.ts';
import type { LoadSession } from '../workload/load-session.ts';
import type { LoadResult } from '../workload/load-result.ts';
import type { Arm, Derivation, Gap, Measurement, Probe, ProbeContext, ProbeReading } from './measurement.ts';
import type { Observations } from './observations.ts';

export interface MeasureRequest {
  readonly id: string;
  readonly arm: Arm;
  readonly context: ProbeContext;
  readonly probes: readonly Probe[];
  readonly derivations: readonly Derivation[];
  readonly load: LoadSession;
  readonly windowMs: number;
  readonly seed: number;
  /** Says how the target ended, when it has. */
  readonly crashed: () => { readonly outcome: string; readonly output: string } | null;
  readonly onProgress?: (share: number) => void;
}

export interface Measured {
  readonly measurement: Measurement;
  /** Real parameter values by statement id: memory only. */
  readonly samples: ReadonlyMap<string, readonly StatementSample[]>;
}

/** More errors than this and the figures describe the error path, not the backend. */
const mostFailedShare = 0.5;

/**
 * One window: every probe opened, the workload run, every probe closed, the derivations computed.
 * A probe that fails becomes a gap. Throws ANNEAL_TARGET_CRASHED and ANNEAL_TARGET_FAILING.
 */
export async function measure(request: MeasureRequest): Promise<Measured> {
  const startedAt = request.context.clock.now().toISOString();
  const windows = await Promise.all(
    request.probes.map(async (probe) => ({ probe, window: await attempt(probe, () => probe.open(request.context)) })),
  );
  const load = await request.load.run({
    durationMs: request.windowMs,
    seed: request.seed,
    onProgress: ({ elapsedMs, durationMs }) => request.onProgress?.(Math.min(elapsedMs / durationMs, 1)),
  });
  const readings: ProbeReading[] = [];
  for (const { probe, window } of windows) {
    readings.push('close' in window ? await attempt(probe, () => window.close()) : window);
  }
  refuseUselessLoad(load, request.crashed());

  const samples = new Map<string, readonly StatementSample[]>(readings.flatMap((reading) => [...(reading.samples ?? [])]));
  let observations: Partial<Observations> = Object.assign({ load }, ...readings.map((reading) => reading.observations));
  const gaps: Gap[] = readings.flatMap((reading) => [...reading.gaps]);
  for (const derivation of request.derivations) {
    const reading = await attempt(derivation, () => derivation.derive(request.context, observations, samples));
    observations = { ...observations, ...reading.observations };
    gaps.push(...reading.gaps);
  }
  return {
    measurement: {
      id: request.id,
      arm: request.arm,
      startedAt,
      durationMs: load.durationMs,
      observations,
      gaps,
      quality: {
        // A late generator spoils latencies, and the window says so; costs, counts and shares stand.
        trusted: load.validity.problems.length === load.validity.timingProblems.length,
        problems: [...load.validity.problems, ...readings.flatMap((reading) => reading.problems ?? [])],
      },
    },
    samples,
  };
}

export function refuseUselessLoad(load: LoadResult, crash: { readonly outcome: string; readonly output: string } | null): void {
  if (crash !== null) throw new AnnealError('ANNEAL_TARGET_CRASHED', { ...crash });
  // What a policy refuses by its limits is no error of the target's.
  const failed = load.failedRequests - (load.refusedRequests ?? 0);
  if (load.requests === 0 || failed / load.requests <= mostFailedShare) return;
  const statuses = new Map<string, number>();
  for (const step of load.steps) {
    for (const [status, count] of Object.entries(step.statuses)) statuses.set(status, (statuses.get(status) ?? 0) + count);
  }
  throw new AnnealError('ANNEAL_TARGET_FAILING', {
    share: `${Math.round((100 * failed) / load.requests)} %`,
    statuses: [...statuses].map(([status, count]) => `${status}: ${count}`).join(', '),
  });
}

/** A source that cannot be read is a gap with its reason, never the end of a measurement. */
export async function attempt<T>(source: Pick<Probe, 'id' | 'provides'>, read: () => Promise<T>): Promise<T | ProbeReading> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    const reason = `${source.id}: ${error instanceof Error ? error.message : String(error)}`;
    return { observations: {}, gaps: source.provides.map((capability) => ({ capability, reason })) };
  }
}
