/** `precise` spins through the last two milliseconds before a send; `cheap` sleeps on whole-millisecond timers. */
export type SchedulePrecision = 'precise' | 'cheap';

export interface Pacing {
  readonly precision: SchedulePrecision;
  /** `performance.now()` at which the schedule's time 0 lies. */
  readonly startAt: number;
  readonly signal: AbortSignal;
  /** A number that changes whenever a turn of the event loop did work. */
  activity(): number;
}

/**
 * Calls `launch` once per arrival, never before it is due. A loop that wakes late launches everything
 * that became due meanwhile: an arrival is never skipped, or a stall of the target would thin out the
 * load that is to show it. Resolves, after the last arrival or an abort, to the milliseconds it spun.
 */
export function paceArrivals<Due extends { readonly atMs: number }>(
  arrivals: Iterator<Due, void>,
  pacing: Pacing,
  launch: (dueAt: number, arrival: Due) => void,
): Promise<number> {
  const { startAt, signal, precision } = pacing;
  let spunMs = 0;
  return new Promise((resolve) => {
    let arrival = arrivals.next();
    const launchDue = () => {
      // Read once: at a rate this thread cannot keep up with, answers must still get their turn.
      const now = performance.now();
      while (arrival.done !== true && startAt + arrival.value.atMs <= now && !signal.aborted) {
        launch(startAt + arrival.value.atMs, arrival.value);
        arrival = arrivals.next();
      }
      if (arrival.done === true || signal.aborted) resolve(spunMs);
      else wait(startAt + arrival.value.atMs - performance.now());
    };
    const wait = (ms: number) => {
      if (precision === 'cheap') setTimeout(launchDue, Math.max(1, Math.round(ms)));
      else if (ms > sleepBeyondMs) setTimeout(launchDue, Math.floor(ms) - 1);
      else spin();
    };
    const spin = () => {
      const from = performance.now();
      const activity = pacing.activity();
      setImmediate(() => {
        const turnMs = performance.now() - from;
        if (turnMs < longestIdleTurnMs && activity === pacing.activity()) spunMs += turnMs;
        launchDue();
      });
    };
    launchDue();
  });
}

/** A timer of n ms fires up to about 1.1 ms late, and one of less than 1 ms does not exist. */
const sleepBeyondMs = 2.2;

/** An idle turn takes some microseconds; a longer one was not this thread's spinning but somebody else's turn on the core. */
const longestIdleTurnMs = 0.1;
