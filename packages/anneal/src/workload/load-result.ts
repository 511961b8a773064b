import type { HistogramData } from '../stats/histogram.ts';

/** What one run of the load engine saw. Latency is counted from the moment a request was due. */
export interface LoadResult {
  readonly startedAt: string;
  /** From the start to the end of the window or, when that is later, to the last answer. */
  readonly durationMs: number;
  readonly plannedIterations: number;
  readonly startedIterations: number;
  /** Arrivals that found the in-flight cap reached: k6's `dropped_iterations`. */
  readonly droppedIterations: number;
  readonly requests: number;
  readonly failedRequests: number;
  /** Of those failed, the ones that a policy of the agent refused: no answers of the target's, and in none of the times. Absent: none. */
  readonly refusedRequests?: number;
  /** Checks made, the default one (status below 400) and captures included. */
  readonly checks: number;
  readonly failedChecks: number;
  readonly requestsPerSecond: number;
  /** From intended send to last byte, microseconds. */
  readonly responseTimeUs: HistogramData;
  /** From actual send to last byte, microseconds. */
  readonly serviceTimeUs: HistogramData;
  /** From intended to actual send, microseconds: the generator's own lateness. Only of sends the clock decided: not of a step that follows an answer at once. */
  readonly sendLagUs: HistogramData;
  readonly steps: readonly StepResult[];
  readonly validity: LoadValidity;
  /** Mean number of requests in flight, measured, for the Little's-law cross-check. */
  readonly meanInFlight: number;
  readonly generatorCpuShare: number;
}

export interface StepResult {
  readonly name: string;
  readonly requests: number;
  readonly failedRequests: number;
  /** HTTP status (or error code such as `ECONNRESET`) to count. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly responseTimeUs: HistogramData;
  readonly serviceTimeUs: HistogramData;
  readonly responseBytes: number;
}

/** An invalid window is dropped before anyone looks at its result. */
export interface LoadValidity {
  readonly valid: boolean;
  /** Sentences with the numbers in them, e.g. "send lag p99 31 ms exceeds 5 ms". */
  readonly problems: readonly string[];
  /**
   * Those of the problems that spoil only what a clock measured: every request was sent and answered, but the
   * generator was late or its machine was taken away. What the requests cost in CPU, rows and bytes still holds.
   */
  readonly timingProblems: readonly string[];
}
