import type { LoadRecorder, RunPart } from './load-recorder.ts';
import { runLoad, type LoadTarget, type RunPlan } from './load-run.ts';
import { raisedPriority } from './scheduling-priority.ts';

/** One event loop that sends: this thread's or another's. */
export interface LoadGenerator {
  /** `startAtMs` is on the machine-wide monotonic clock, the only one threads share. One run at a time. */
  run(plan: RunPlan, startAtMs: number, onTally: (tally: Tally) => void): Promise<RunPart>;
  /** Lets the run under way resolve early. */
  stop(): void;
  close(): Promise<void>;
}

/** How a run is doing. */
export interface Tally {
  readonly requests: number;
  readonly failedRequests: number;
  readonly droppedIterations: number;
  readonly inFlight: number;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function generatorHere(target: LoadTarget, options: { readonly raisePriority: boolean }): LoadGenerator {
  let stop = new AbortController();
  return {
    async run(plan, startAtMs, onTally) {
      using _priority = options.raisePriority ? raisedPriority() : null;
      stop = new AbortController();
      const startAt = performance.now() + (startAtMs - monotonicMs());
      let progress: NodeJS.Timeout | undefined;
      const watch = (recorder: LoadRecorder) => {
        progress = setInterval(() => onTally(tallyOf(recorder)), 500);
      };
      try {
        return await runLoad(target, plan, startAt, stop.signal, watch);
      } finally {
        clearInterval(progress);
      }
    },
    stop: () => stop.abort(),
    close: () => target.client.close(),
  };
}

function tallyOf({ requests, failedRequests, droppedIterations, inFlight }: LoadRecorder): Tally {
  return { requests, failedRequests, droppedIterations, inFlight };
}
