import { seededRandom } from '../stats/random.ts';
import { quantileUs } from '../stats/histogram.ts';
import type { LoadResult } from '../workload/load-result.ts';
import type { Arm } from '../measurement/measurement.ts';

/** How one round is run. Both of its slices get the same arrivals. */
export interface PlannedRound {
  readonly index: number;
  readonly first: Arm;
  readonly arrivalSeed: number;
}

/**
 * Rounds without end, each computed from its number. Within every two rounds each arm goes first
 * once, which one by a seeded coin: the order is unpredictable, as the signed-rank test requires,
 * and what going second costs or brings falls on both arms equally.
 */
export function planRound(seed: number, index: number): PlannedRound {
  const couple = seededRandom(seed, `couple/${Math.floor(index / 2)}`).shuffle<Arm>(['baseline', 'candidate']);
  return {
    index,
    first: couple[index % 2]!,
    arrivalSeed: seededRandom(seed, `arrivals/${index}`).integer(0, 2 ** 31 - 1),
  };
}

export interface SlicePlan {
  /** How long one slice is measured. */
  readonly sliceMs: number;
  /** Unmeasured load before it, in which the last slice's work drains and the arm's caches settle. */
  readonly settleMs: number;
  /** Requests to expect in it. */
  readonly requests: number;
}

/**
 * A slice must hold ten requests beyond the quantile it is judged by, else the quantile is one
 * request's luck: 200 requests for p95, 1,000 for p99. It is never below two seconds, so that
 * a garbage collection or a checkpoint is part of most slices and not an event of one.
 */
export function planSlices(ratePerSecond: number, quantile: number, shortestMs = 2000): SlicePlan {
  if (!(ratePerSecond > 0)) throw new RangeError(`slices need a rate above 0, not ${ratePerSecond}`);
  // Rounded before it is rounded up: 10 / (1 - 0.95) is 200 plus an error of the last bit.
  const tailRequests = Math.ceil(Number((10 / (1 - quantile)).toFixed(6)));
  const sliceMs = Math.max(Math.ceil((1000 * tailRequests) / ratePerSecond), shortestMs);
  return { sliceMs, settleMs: 300, requests: Math.floor((sliceMs * ratePerSecond) / 1000) };
}

/** What the generator and its machine did to a round, found without looking at what the answers cost. */
export interface RoundJudgement {
  /** Why it is dropped, each reason led by its arm; empty when it is kept. */
  readonly dropped: readonly string[];
  /** Why its latencies are not those from the due time: counted from the actual send instead. */
  readonly late: readonly string[];
}

/**
 * A round in which not everything was sent and answered is dropped. One in which the generator was merely
 * late keeps what its requests cost. The load engine judges each slice alone and forgives a slow target
 * more lag; here one limit, that of the faster arm, holds for both, so that a slow candidate does not
 * excuse the very lag that would hide how slow it is.
 */
export function judgeRound(baseline: LoadResult, candidate: LoadResult): RoundJudgement {
  const medianMs = Math.min(...[baseline, candidate].map((load) => quantileUs(load.serviceTimeUs, 0.5) / 1000));
  const lagLimitMs = Math.max(5, medianMs / 10);
  const spoilt = (arm: Arm, { validity, requests }: LoadResult) => {
    const problems = validity.problems.filter((problem) => !validity.timingProblems.includes(problem));
    return [...problems, ...(requests === 0 ? ['no request was sent'] : [])].map((problem) => `${arm}: ${problem}`);
  };
  const late = (arm: Arm, { validity, sendLagUs }: LoadResult) => {
    if (validity.timingProblems.length > 0) return validity.timingProblems.map((problem) => `${arm}: ${problem}`);
    const lagMs = quantileUs(sendLagUs, 0.99) / 1000;
    return lagMs > lagLimitMs ? [`${arm}: send lag p99 ${lagMs.toFixed(1)} ms exceeds ${lagLimitMs.toFixed(1)} ms`] : [];
  };
  return {
    dropped: [...spoilt('baseline', baseline), ...spoilt('candidate', candidate)],
    late: [...late('baseline', baseline), ...late('candidate', candidate)],
  };
}
