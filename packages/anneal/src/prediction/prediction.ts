import type { Estimate } from '../stats/estimate.ts';

/** Written before a trial, held against the trial's result afterwards. */
export interface Prediction {
  readonly metric: MetricId;
  readonly change: Estimate;
  readonly model: 'plan-cost' | 'queueing' | 'amdahl';
  readonly assumptions: readonly string[];
}

/**
 * What a trial compares, always per request of the workload; where a policy refuses requests, per answer given.
 * `answer.interval` is the time of the window per answer given, in milliseconds: what limits cost, and the inverse of throughput.
 * `response.bytes` are those of bodies, as they come over the connection; `response.bytes:<key>` those per answer of the routes a plan touches. `database.time:<key>` and `wal.bytes:<key>` are those of the statements a plan touches.
 * `route.time:<key>` too is per request of the routes a plan touches: the typical duration (geometric mean), as the target's own process sees it, in milliseconds.
 * `connect.time:<key>` is what calls to other services take to make their connections, per request of the routes a plan touches, in milliseconds; of calls side by side it is the sum.
 */
export type MetricId =
  | 'answer.interval'
  | 'cpu.time'
  | `connect.time:${string}`
  | 'database.time'
  | `database.time:${string}`
  | 'pool.wait'
  | 'response.bytes'
  | `response.bytes:${string}`
  | 'latency.p50'
  | 'latency.p95'
  | 'latency.p99'
  | `latency.p95:${string}`
  | `route.time:${string}`
  | 'errors'
  | 'memory'
  | 'wal.bytes'
  | `wal.bytes:${string}`;

export interface CalibrationEntry {
  readonly remedy: string;
  readonly subject: string;
  readonly metric: MetricId;
  readonly predicted: Estimate;
  readonly measured: Estimate;
  /** The measured point lies inside the predicted interval. */
  readonly inside: boolean;
}
