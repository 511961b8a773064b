import type { SynchronousCall } from '../process/synchronous-work.ts';

/** What is left of a request once its calls are counted; its route counts it as often as there are requests it stands for. */
export interface Outcome {
  readonly startedAt: number;
  readonly closedAt: number;
  readonly failed: boolean;
  readonly responseBytes: number;
  readonly serialisationMs: number;
  readonly longestSerialisationMs: number;
  readonly synchronous: readonly SynchronousCall[] | null;
}

/**
 * The same kept by itself until it is known what the request stands for. To keep the requests, with their calls and all
 * that these hold, had them outlive V8's young generation: its collections cost several times what following them does.
 */
export class KeptOutcome implements Outcome {
  readonly startedAt: number;
  readonly closedAt: number;
  readonly failed: boolean;
  readonly responseBytes: number;
  readonly serialisationMs: number;
  readonly longestSerialisationMs: number;
  readonly synchronous: readonly SynchronousCall[] | null;

  constructor(outcome: Outcome) {
    this.startedAt = outcome.startedAt;
    this.closedAt = outcome.closedAt;
    this.failed = outcome.failed;
    this.responseBytes = outcome.responseBytes;
    this.serialisationMs = outcome.serialisationMs;
    this.longestSerialisationMs = outcome.longestSerialisationMs;
    this.synchronous = outcome.synchronous;
  }
}
