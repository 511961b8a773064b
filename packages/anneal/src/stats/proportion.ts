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
 * Slices as independent as requests would have to be: errors come in bursts, so a tally over slices
 * is divided by its design effect, the variance between slices over the one that independent requests
 * would show (Rao and Scott, Biometrics 48, 1992). Never below 1: slices do not add evidence.
 */
export function effectiveTally(slices: readonly Tally[]): Tally {
  const events = slices.reduce((sum, slice) => sum + slice.events, 0);
  const trials = slices.reduce((sum, slice) => sum + slice.trials, 0);
  const share = events / trials;
  const binomialVariance = (share * (1 - share)) / trials;
  if (!(binomialVariance > 0) || slices.length < 2) return { events, trials };
  const residuals = slices.reduce((sum, slice) => sum + (slice.events - slice.trials * share) ** 2, 0);
  const variance = (slices.length / ((slices.length - 1) * trials ** 2)) * residuals;
  const designEffect = Math.max(variance / binomialVariance, 1);
  return { events: events / designEffect, trials: trials / designEffect };
}

/** Wilson's score interval (Journal of the American Statistical Association 22, 1927). */
function wilson({ events, trials }: Tally, z: number): { readonly share: number; readonly lower: number; readonly upper: number } {
  const share = events / trials;
  const centre = (events + (z * z) / 2) / (trials + z * z);
  const half = (z * Math.sqrt(trials * share * (1 - share) + (z * z) / 4)) / (trials + z * z);
  return { share, lower: Math.max(centre - half, 0), upper: Math.min(centre + half, 1) };
}
