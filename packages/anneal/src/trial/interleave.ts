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
