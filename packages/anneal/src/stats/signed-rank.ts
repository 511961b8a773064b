import type { Estimate } from './estimate.ts';
import { normalQuantile, normalShareBelow } from './normal.ts';

/**
 * Wilcoxon's signed-rank test and what follows from it: Hodges and Lehmann's estimate of a shift and
 * the interval of all shifts the test does not reject (Hollander, Wolfe and Chicken, Nonparametric
 * Statistical Methods, 3rd edition, sections 3.1 to 3.3). One wild slice moves one rank, not the result.
 */
export interface SignedRankTest {
  /** Differences that are not zero. */
  readonly pairs: number;
  /** Sum of the ranks of the positive differences. */
  readonly statistic: number;
  /** Chance of a statistic this small or smaller when there is no shift. */
  readonly less: number;
  /** Chance of a statistic this large or larger when there is no shift. */
  readonly greater: number;
  readonly twoSided: number;
}

/**
 * Differences of zero are left out, equal ones share their mean rank. The null distribution is exact
 * (given those ranks) up to 60 pairs, the last look of the standard design; beyond, a normal with the
 * variance of the ranks as they are (which corrects for ties) and a continuity correction.
 */
export function signedRankTest(differences: readonly number[]): SignedRankTest {
  const nonZero = differences.filter((difference) => difference !== 0);
  const doubledRanks = doubledMidranks(nonZero.map(Math.abs));
  const doubled = doubledRanks.reduce((sum, rank, index) => sum + (nonZero[index]! > 0 ? rank : 0), 0);
  const total = doubledRanks.reduce((sum, rank) => sum + rank, 0);
  const less = shareAtMost(doubledRanks, doubled);
  // The distribution is symmetric: as likely this far above its middle as below.
  const greater = shareAtMost(doubledRanks, total - doubled);
  return { pairs: nonZero.length, statistic: doubled / 2, less, greater, twoSided: Math.min(1, 2 * Math.min(less, greater)) };
}

/** The smallest two-sided p-value `pairs` differences can give: all of one sign. */
export function smallestSignedRankP(pairs: number): number {
  return Math.min(1, 2 ** (1 - pairs));
}

/**
 * Median of the Walsh averages (means of all pairs of differences, each with itself too), and the
 * interval of shifts that the two-sided test at `1 - confidenceLevel` does not reject.
 *
 * Few differences cannot support a high level: the estimate then carries the widest interval there
 * is and says the level that one has (six differences: at most 0.969; none: 0).
 */
export function hodgesLehmannEstimate(differences: readonly number[], confidenceLevel: number): Estimate {
  const pairs = differences.length;
  if (pairs === 0) return { point: 0, lower: 0, upper: 0, confidenceLevel: 0 };
  const averages = walshAverages(differences);
  const tail = (1 - confidenceLevel) / 2;
  const outside = averagesOutside(pairs, tail);
  const cut = Math.max(outside, 1) - 1;
  const last = averages.length - 1;
  return {
    point: (averages[Math.floor(last / 2)]! + averages[Math.ceil(last / 2)]!) / 2,
    lower: averages[cut]!,
    upper: averages[last - cut]!,
    confidenceLevel: outside === 0 ? 1 - smallestSignedRankP(pairs) : confidenceLevel,
  };
}

function walshAverages(differences: readonly number[]): Float64Array {
  const averages = new Float64Array((differences.length * (differences.length + 1)) / 2);
  let next = 0;
  for (let one = 0; one < differences.length; one += 1) {
    for (let other = one; other < differences.length; other += 1) {
      averages[next] = (differences[one]! + differences[other]!) / 2;
      next += 1;
    }
  }
  return averages.sort();
}

const exactPairs = 60;

/** How many of the statistic's lowest values together stay within `tail`: averages to leave out at each end, plus one. */
function averagesOutside(pairs: number, tail: number): number {
  if (pairs > exactPairs) {
    const middle = (pairs * (pairs + 1)) / 4;
    const deviation = Math.sqrt((pairs * (pairs + 1) * (2 * pairs + 1)) / 24);
    return Math.max(Math.floor(middle + deviation * normalQuantile(tail) + 0.5), 0);
  }
  const cumulative = untiedCumulative(pairs);
  let outside = 0;
  while (cumulative[outside]! <= tail) outside += 1;
  return outside;
}

/** Twice the mean rank of each value, so that shared ranks stay whole numbers. */
function doubledMidranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((one, other) => values[one]! - values[other]!);
  const ranks = Array.from<number>({ length: values.length });
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end += 1;
    for (let place = start; place < end; place += 1) ranks[order[place]!] = start + 1 + end;
    start = end;
  }
  return ranks;
}

/** P(sum of the ranks with a positive sign <= limit) when every sign is a fair coin. */
function shareAtMost(doubledRanks: readonly number[], limit: number): number {
  if (doubledRanks.length > exactPairs) {
    const middle = doubledRanks.reduce((sum, rank) => sum + rank, 0) / 2;
    const deviation = Math.sqrt(doubledRanks.reduce((sum, rank) => sum + rank * rank, 0)) / 2;
    // Half a rank, doubled like the ranks.
    return normalShareBelow((limit - middle + 1) / deviation);
  }
  const shares = signSumDistribution(doubledRanks);
  let below = 0;
  for (let sum = 0; sum <= limit; sum += 1) below += shares[sum]!;
  return Math.min(below, 1);
}

/** Chance of each sum of a random half of the weights, one weight after the other (Streitberg and Röhmel's shift algorithm). */
function signSumDistribution(weights: readonly number[]): Float64Array {
  const shares = new Float64Array(weights.reduce((sum, weight) => sum + weight, 0) + 1);
  shares[0] = 1;
  let reached = 0;
  for (const weight of weights) {
    reached += weight;
    for (let sum = reached; sum >= 0; sum -= 1) {
      shares[sum] = (shares[sum]! + (sum >= weight ? shares[sum - weight]! : 0)) / 2;
    }
  }
  return shares;
}

const untiedCumulatives = new Map<number, Float64Array>();

/** R: `psignrank(0:(n*(n+1)/2), n)`. Kept: it depends on nothing but the number of pairs. */
function untiedCumulative(pairs: number): Float64Array {
  const known = untiedCumulatives.get(pairs);
  if (known !== undefined) return known;
  const cumulative = signSumDistribution(Array.from({ length: pairs }, (_, index) => index + 1));
  for (let sum = 1; sum < cumulative.length; sum += 1) cumulative[sum]! += cumulative[sum - 1]!;
  untiedCumulatives.set(pairs, cumulative);
  return cumulative;
}
