import { percent } from '../finding/wording.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Estimate } from '../stats/estimate.ts';
import { normalQuantile } from '../stats/normal.ts';
import { median, medianAbsoluteDeviation, standardDeviation } from '../stats/sample.ts';
import { hodgesLehmannEstimate } from '../stats/signed-rank.ts';
import { resultOf } from './decide.ts';
import { keptRounds, logRatio, logRatios } from './paired-evidence.ts';
import type { Placebo, Round, TrialDesign } from './trial.ts';

/** How one metric differs between two arms that are the same: the noise floor, in natural logarithms of the ratio. */
export interface Noise {
  readonly metric: MetricId;
  readonly rounds: number;
  readonly standardDeviation: number;
  /** Median absolute deviation: the noise of an ordinary round. */
  readonly robustDeviation: number;
  /** The deviation that explains how wide the signed-rank interval of these rounds is: what a trial will meet. */
  readonly effectiveDeviation: number;
  /** Shift between the arms, relative: two processes of the same code are not quite the same. */
  readonly bias: Estimate;
}

/** Below six rounds the signed-rank test has no 95 % interval to measure noise by. */
const fewestRounds = 6;

/**
 * Noise of every metric from rounds of baseline against baseline. Metrics seen in fewer than six kept
 * rounds are left out: nothing is known of them. `errors` is not in it, its interval needs no noise.
 */
export function calibrate(rounds: readonly Round[]): readonly Noise[] {
  const kept = keptRounds(rounds);
  const metrics = new Set(kept.flatMap((round) => Object.keys(round.baseline.metrics) as MetricId[]));
  metrics.delete('errors');
  return [...metrics].map((metric) => noiseOf(metric, logRatios(metric, kept))).filter((noise) => noise.rounds >= fewestRounds);
}

function noiseOf(metric: MetricId, ratios: readonly number[]): Noise {
  const shift = hodgesLehmannEstimate(ratios, 0.95);
  // Length of a rank interval as an estimate of scale: Hettmansperger and McKean, Robust Nonparametric Statistical Methods, section 1.5.5.
  const standardError = (shift.upper - shift.lower) / (2 * normalQuantile((1 + shift.confidenceLevel) / 2));
  return {
    metric,
    rounds: ratios.length,
    standardDeviation: standardDeviation(ratios),
    robustDeviation: medianAbsoluteDeviation(ratios),
    effectiveDeviation: standardError * Math.sqrt(ratios.length),
    bias: {
      point: Math.expm1(shift.point),
      lower: Math.expm1(shift.lower),
      upper: Math.expm1(shift.upper),
      confidenceLevel: shift.confidenceLevel,
    },
  };
}

/**
 * The smallest reduction, as a positive share, that `rounds` rounds prove in about four trials of five
 * (two of three where the noise has heavy tails, which few calibration rounds cannot show): the
 * interval's half width, plus the luck one trial in five lacks, beyond the minimum effect.
 */
export function smallestProvableEffect(noise: Noise, rounds: number, design: Pick<TrialDesign, 'nominalLevel' | 'minimumEffect'>): number {
  const standardError = noise.effectiveDeviation / Math.sqrt(rounds);
  const needed = (normalQuantile(1 - design.nominalLevel / 2) + normalQuantile(0.8)) * standardError;
  return 1 - (1 - design.minimumEffect) * Math.exp(-needed);
}

/**
 * The minimum effect a trial must clear: the asked one, raised to twice any shift seen where there should be
 * none (between equal arms, or in what the change cannot have touched). A shift whose interval holds zero was
 * not seen: it is noise, for which the trial's own interval is wide enough.
 */
export function raisedMinimumEffect(minimumEffect: number, ...shifts: readonly Estimate[]): number {
  const seen = shifts.filter((shift) => shift.lower > 0 || shift.upper < 0);
  return Math.max(minimumEffect, ...seen.map((shift) => 2 * Math.abs(shift.point)));
}

/** What a trial can prove, said before it starts. */
export interface Provability {
  /** What the whole interval must clear. */
  readonly minimumEffect: number;
  /** The smallest reduction its last look can prove, a positive share; null where the noise is not known. */
  readonly smallestEffect: number | null;
  readonly sentence: string;
}

/** `predicted` is the relative change hoped for, e.g. -0.2; null where nobody predicted. A trial that promises less than it can prove is run all the same: predictions are wrong too. */
export function provability(
  noise: Noise | undefined,
  design: Pick<TrialDesign, 'looks' | 'nominalLevel' | 'minimumEffect'>,
  predicted: number | null,
): Provability {
  if (noise === undefined) {
    const sentence = `what can be proven is not known: its metric was seen in fewer than ${fewestRounds} rounds of the target against itself`;
    return { minimumEffect: design.minimumEffect, smallestEffect: null, sentence };
  }
  const rounds = design.looks.at(-1)!;
  const minimumEffect = raisedMinimumEffect(design.minimumEffect, noise.bias);
  const smallestEffect = smallestProvableEffect(noise, rounds, { ...design, minimumEffect });
  // Where equal arms are seen to differ by half, twice that is more than there is to take away.
  const able =
    smallestEffect < 1
      ? `a reduction of ${percent(smallestEffect)} or more can be proven in ${rounds} rounds`
      : `no reduction can be proven: arms that are equal differ by ${percent(Math.abs(noise.bias.point))}`;
  return { minimumEffect, smallestEffect, sentence: `${able}${doubtAbout(smallestEffect, predicted)}` };
}

function doubtAbout(smallestEffect: number, predicted: number | null): string {
  if (predicted === null) return '';
  if (predicted > 0) return `: none is predicted, but ${percent(predicted)} more`;
  if (predicted === 0) return ': none is predicted, the trial will show';
  return smallestEffect > -predicted ? `: too noisy for the ${percent(-predicted)} predicted` : '';
}

/** Half of the 1 % that k6's documentation gives as a usual error budget: one change may not spend more. */
const errorMargin = 0.005;

/** A 5 % worse guard is what a budget absorbs; nobody would roll a proven gain back for less. */
const smallestMargin = 0.05;

/**
 * The margin of a guard: 5 %, or what this machine can tell from no change after `rounds` rounds. An
 * unchanged guard then holds in nineteen trials of twenty although the level is shared by all guards.
 */
export function guardMargin(metric: MetricId, noise: Noise | undefined, rounds: number, nominalLevel: number, guards: number): number {
  if (metric === 'errors') return errorMargin;
  if (noise === undefined) return smallestMargin;
  const standardError = noise.effectiveDeviation / Math.sqrt(rounds);
  const needed = (normalQuantile(1 - nominalLevel / guards) + normalQuantile(0.95)) * standardError;
  return Math.max(smallestMargin, Math.expm1(Math.abs(Math.log1p(noise.bias.point)) + needed));
}

/**
 * The same-plan placebo: statements and routes that the change cannot touch should not change. Their
 * median log ratio of each round is one observation, because what drifts, the machine, moves all of
 * them at once. Null when no control was measured.
 */
export function placeboDrift(
  rounds: readonly Round[],
  controls: readonly MetricId[],
  design: Pick<TrialDesign, 'nominalLevel' | 'minimumEffect'>,
): Placebo | null {
  const drifts = keptRounds(rounds).flatMap((round) => {
    const ratios = controls.map((control) => logRatio(control, round)).filter((ratio) => ratio !== null);
    return ratios.length === 0 ? [] : [median(ratios)];
  });
  if (drifts.length === 0) return null;
  const needed = 1 - design.nominalLevel;
  const shift = hodgesLehmannEstimate(drifts, needed);
  const drift: Estimate = {
    point: Math.expm1(shift.point),
    lower: Math.expm1(shift.lower),
    upper: Math.expm1(shift.upper),
    confidenceLevel: shift.confidenceLevel,
  };
  const result = shift.confidenceLevel < needed ? 'inconclusive' : resultOf(drift, design.minimumEffect);
  return {
    controls,
    rounds: drifts.length,
    drift,
    result,
    sentence: `${controls.length} controls that the change cannot touch moved by ${percent(drift.point)} (${percent(drift.lower)} to ${percent(drift.upper)})`,
  };
}
