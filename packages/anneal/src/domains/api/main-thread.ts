import type { RuntimeObservation } from '../../measurement/observations.ts';

/**
 * How long the main thread was at work, by the clock. What is timed or sampled by the clock (a call, a collection, a
 * profile's samples) is a share of this: on a machine that others use as well both grow alike, and CPU time does not.
 */
export function mainThreadMs({ cpuMs, eventLoopUtilizationShare, windowMs }: RuntimeObservation): number {
  return Math.max(cpuMs, eventLoopUtilizationShare * windowMs);
}

/** What of a time by the clock was computing; the rest the machine gave to others meanwhile. At most 1. */
export function computingShare(runtime: RuntimeObservation): number {
  const busyMs = mainThreadMs(runtime);
  return busyMs === 0 ? 1 : runtime.cpuMs / busyMs;
}
