import { invertIncreasing } from '../../stats/invert.ts';

/** Beyond it every request meets another one, and only the number of clients limits how many share a run. */
const mostConcurrent = 50;

/**
 * What of the runs is spared when identical requests that gather while one runs are then worked out by one more run.
 *
 * Requests that arrive at random (PASTA) find one running with the chance 1 - e^-a, where a is how many arrive in one
 * run; so the share that was seen to meet one tells a. A run behind which k gathered is followed by one run for all k:
 * of runs r and requests n in a busy period, r = e^a and n = 1 + a e^a, since each run is followed by another with the
 * chance 1 - e^-a and that one answers a / (1 - e^-a) on average. Spared: 1 - r / n = 1 - 1 / (e^-a + a).
 */
export function runsSpared(overlappingShare: number): number {
  return sparedAt(arrivalsPerRun(overlappingShare));
}

/** The same where runs get shorter by as much as there are fewer of them, as they do where they waited for each other. */
export function runsSparedWhenShorter(overlappingShare: number): number {
  const arrivals = arrivalsPerRun(overlappingShare);
  // A run is then as long as what is left of the load: a' = a (1 - spared(a')).
  const shorter = invertIncreasing((next) => next / Math.max(1 - sparedAt(next), 1e-9), arrivals, 0, arrivals);
  return sparedAt(shorter);
}

function arrivalsPerRun(overlappingShare: number): number {
  return Math.min(-Math.log(Math.max(1 - overlappingShare, Math.exp(-mostConcurrent))), mostConcurrent);
}

function sparedAt(arrivals: number): number {
  return 1 - 1 / (Math.exp(-arrivals) + arrivals);
}
