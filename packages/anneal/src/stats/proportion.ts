import type { Estimate } from './estimate.ts';
import { normalQuantile } from './normal.ts';

/** Events counted in one slice or in many. */
export interface Tally {
  readonly events: number;
  readonly trials: number;
}

/**
 * Difference of two shares, `candidate - baseline`, by Newcombe's method 10 (Statistics in Medicine
 * 17, 1998): Wilson's interval of each share, combined. It stays honest at zero events, where a
 * ratio has no value and a normal interval no width.
 */
export function shareDifference(baseline: Tally, candidate: Tally, confidenceLevel: number): Estimate {
  const z = normalQuantile((1 + confidenceLevel) / 2);
  const before = wilson(baseline, z);
  const after = wilson(candidate, z);
  const point = after.share - before.share;
  return {
    point,
    lower: point - Math.hypot(after.share - after.lower, before.upper - before.share),
    upper: point + Math.hypot(after.upper - after.share, before.share - before.lower),
    confidenceLevel,
  };
}

/**
 * Errors come in bursts, so requests of one slice are not independent witnesses: the variance between
 * slices over the one that independent requests would show, at least 1 (Rao and Scott, Biometrics 48,
 * 1992). A tally divided by it weighs what it is worth.
 */
export function designEffect(slices: readonly Tally[]): number {
  const { events, trials } = totalOf(slices);
  const share = events / trials;
  const binomialVariance = (share * (1 - share)) / trials;
  if (!(binomialVariance > 0) || slices.length < 2) return 1;
  const residuals = slices.reduce((sum, slice) => sum + (slice.events - slice.trials * share) ** 2, 0);
  const variance = (slices.length / ((slices.length - 1) * trials ** 2)) * residuals;
  return Math.max(variance / binomialVariance, 1);
}

export function totalOf(slices: readonly Tally[]): Tally {
  return {
    events: slices.reduce((sum, slice) => sum + slice.events, 0),
    trials: slices.reduce((sum, slice) => sum + slice.trials, 0),
  };
}

/** Wilson's score interval (Journal of the American Statistical Association 22, 1927). */
function wilson({ events, trials }: Tally, z: number): { readonly share: number; readonly lower: number; readonly upper: number } {
  const share = events / trials;
  const centre = (events + (z * z) / 2) / (trials + z * z);
  const half = (z * Math.sqrt(trials * share * (1 - share) + (z * z) / 4)) / (trials + z * z);
  return { share, lower: Math.max(centre - half, 0), upper: Math.min(centre + half, 1) };
}
