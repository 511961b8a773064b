import { meanUs } from '../stats/histogram.ts';
import { seededRandom } from '../stats/random.ts';
import type { LoadResult } from './load-result.ts';
import type { LoadSession } from './load-session.ts';
import type { Executor } from './workload.ts';

export interface StabiliseOptions {
  /** Draws a seed for each slice, so that nothing that must not repeat repeats. */
  readonly seed: number;
  /** What must settle; default the mean service time. May read something outside, such as the target's CPU since the last slice. */
  readonly figure?: (slice: LoadResult) => number | Promise<number>;
  readonly sliceMs?: number;
  /** At least three slices are run whatever it says. */
  readonly maximumMs?: number;
  readonly executor?: Executor;
}

export interface Stabilised {
  /** False when the maximum came first: what follows is measured on a target that still moves. */
  readonly stable: boolean;
  /** The figure of every slice, in order. */
  readonly figures: readonly number[];
  readonly durationMs: number;
}

/**
 * Warms the target up until three slices in a row agree within a tenth: compiled code, filled caches,
 * grown pools. Slices and agreement are those of the trial protocol; the default maximum is what a
 * user waits for without asking whether anything still happens.
 */
export async function stabilise(session: Pick<LoadSession, 'run'>, options: StabiliseOptions): Promise<Stabilised> {
  const { figure = (slice: LoadResult) => meanUs(slice.serviceTimeUs), sliceMs = 2000, maximumMs = 30_000, executor } = options;
  const seeds = seededRandom(options.seed, 'warm-up');
  const figures: number[] = [];
  let durationMs = 0;
  while (figures.length < 3 || (!settled(figures) && durationMs + sliceMs <= maximumMs)) {
    const seed = seeds.integer(0, 2 ** 32 - 1);
    const slice = await session.run({ durationMs: sliceMs, seed, ...(executor && { executor }) });
    durationMs += slice.durationMs;
    figures.push(await figure(slice));
  }
  return { stable: settled(figures), figures, durationMs };
}

function settled(figures: readonly number[]): boolean {
  const last = figures.slice(-3);
  return last.length === 3 && last.every((value) => value > 0) && Math.max(...last) <= 1.1 * Math.min(...last);
}
