import { quantity } from '../finding/wording.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Workload } from '../workload/workload.ts';

/** How much further than in ordinary traffic the scenarios behind one metric are called, in every slice of both arms. */
export interface Leaning {
  readonly scenarios: readonly string[];
  /** Times their share of ordinary traffic; above 1. */
  readonly factor: number;
  /** Expected iterations of them together in one slice, in ordinary traffic and in this. */
  readonly ordinaryPerSlice: number;
  readonly perSlice: number;
}

export function leaningInWords({ scenarios, factor, perSlice }: Leaning): string {
  const names = scenarios.map((name) => `"${name}"`).join(', ');
  return `traffic leaned to ${names}, ${quantity(factor)} times as often as ordinarily, so that a slice holds ${quantity(perSlice)} of it`;
}

/**
 * What a change is paid for with, by design, in traffic that leans to what it touches: as much more often as that runs, where a
 * metric sums it up over all requests; what one of them waits is no longer for that.
 */
export function leanedAllowance(metric: MetricId, ordinary: number, leaning: Leaning | undefined): number {
  return metric.startsWith('latency.') || leaning === undefined ? ordinary : ordinary * leaning.factor;
}

/** What there is to lean to, and how long a slice is. */
export interface TrafficToLean {
  readonly workload: Workload;
  /** Iterations in a slice, of all scenarios; 0 where weights do not decide which come. */
  readonly perSlice: number;
  /** What lies behind each metric. */
  readonly behind: readonly Behind[];
  /** Mean time one iteration keeps the target busy, by scenario name, in milliseconds; one that was not seen counts nothing. */
  readonly busyMs: ReadonlyMap<string, number>;
}

export interface Behind {
  /** Names of the scenarios that cause it; none where nothing is known of it. */
  readonly scenarios: readonly string[];
  /** Iterations of them that a slice should hold. */
  readonly wantedPerSlice: number;
}

export interface LeanedTraffic {
  /** The very workload that was given where nothing is rare. */
  readonly workload: Workload;
  /** In the order of `behind`; null where ordinary traffic holds as many as are wanted, and where nothing is known. */
  readonly leanings: readonly (Leaning | null)[];
}

/**
 * The least share of its ordinary rate that a scenario keeps which nothing leans to. Two requests of three stay
 * ordinary traffic, so that what a guard sees is mostly what users will see.
 */
export const ordinaryShare = 2 / 3;

/**
 * A tenth more time in flight than in ordinary traffic. By Little's law it is a tenth more requests at once, which a
 * target that is four fifths busy (the usual limit of capacity plans) still serves without saturating: 0.8 × 1.1 < 1.
 */
const mostBusy = 1.1;

/**
 * The iterations a slice should hold so that in `rounds` rounds hardly any is lost for want of one. Arrivals that are
 * drawn by weight are a thinned Poisson process, so a slice with n expected holds none with probability exp(-n); at
 * n = ln(100 × rounds) a whole trial has an empty slice once in a hundred. Both arms get the same arrivals, so a round
 * is empty on both or on neither.
 */
export function wantedIterations(rounds: number): number {
  return Math.log(100 * rounds);
}

/**
 * For a mean of times. Request times spread about as widely as their mean (an exponential does), so the mean of n of them is
 * known to 1 / sqrt(n): of the seven that suffice against empty slices to 38 %, of thirty to 18 %, which in a dozen rounds is a
 * few per cent; and from some thirty on such means are nearly normal.
 */
export const timedIterations = 30;

/**
 * Ordinary traffic, leaned to the rare scenarios behind some metrics: the rarest are raised first, all to one level,
 * as far as is wanted for each or the two bounds above allow. The sum of the weights, and with it the rate, stays; scenarios
 * that nothing leans to keep their proportions.
 */
export function leanTraffic({ workload, perSlice, behind, busyMs }: TrafficToLean): LeanedTraffic {
  const { scenarios } = workload;
  const total = scenarios.reduce((sum, { weight }) => sum + weight, 0);
  const shares = scenarios.map(({ weight }) => weight / total);
  const sets = behind.map(({ scenarios: names, wantedPerSlice }) => ({
    set: scenarios.flatMap(({ name }, index) => (names.includes(name) ? [index] : [])),
    wanted: wantedPerSlice,
  }));
  const together = (of: readonly number[], set: readonly number[]) => set.reduce((sum, index) => sum + of[index]!, 0);

  /** Each scenario's share when every set is to hold at least `level` iterations a slice, or what is wanted of it; null beyond a bound. */
  const sharesAt = (level: number): readonly number[] | null => {
    const floors = shares.map((share, index) =>
      share === 0
        ? 0
        : share *
          Math.max(
            0,
            ...sets
              .filter(({ set }) => set.includes(index))
              .map(({ set, wanted }) => Math.min(level, wanted) / perSlice / together(shares, set)),
          ),
    );
    const kept = keptShare(shares, floors);
    if (kept < ordinaryShare) return null;
    const leaned = shares.map((share, index) => Math.max(share * kept, floors[index]!));
    const busy = (of: readonly number[]) => of.reduce((sum, share, index) => sum + share * (busyMs.get(scenarios[index]!.name) ?? 0), 0);
    return busy(leaned) <= busy(shares) * mostBusy ? leaned : null;
  };
  const leaned = (perSlice > 0 ? highest(Math.max(0, ...behind.map(({ wantedPerSlice }) => wantedPerSlice)), sharesAt) : null) ?? shares;
  const leanings = sets.map(({ set, wanted }): Leaning | null => {
    const [before, after] = [together(shares, set), together(leaned, set)];
    // A sum of shares that nothing was added to may differ in its last digits.
    if (before === 0 || before * perSlice >= wanted || after < before * 1.001) return null;
    return {
      scenarios: set.map((index) => scenarios[index]!.name),
      factor: after / before,
      ordinaryPerSlice: before * perSlice,
      perSlice: after * perSlice,
    };
  });
  if (leanings.every((leaning) => leaning === null)) return { workload, leanings };
  return {
    workload: { ...workload, scenarios: scenarios.map((scenario, index) => ({ ...scenario, weight: leaned[index]! * total })) },
    leanings,
  };
}

/**
 * The factor by which all shares above their floor shrink so that the sum stays 1. Raising those below their floor
 * shrinks the others, which may bring more of them below theirs: each pass finds those, and there are no more passes
 * than scenarios. Below zero where the floors alone ask for more than there is.
 */
function keptShare(shares: readonly number[], floors: readonly number[]): number {
  let kept = 1;
  for (;;) {
    let [free, bound] = [0, 0];
    for (const [index, share] of shares.entries()) {
      if (floors[index]! > share * kept) bound += floors[index]!;
      else free += share;
    }
    const next = free === 0 ? -1 : (1 - bound) / free;
    if (next >= kept || kept < 0) return kept;
    kept = next;
  }
}

/** What `attempt` gives for the highest level up to `most` at which it gives anything, to a thousandth. */
function highest<T>(most: number, attempt: (level: number) => T | null): T | null {
  let found = attempt(most);
  if (found !== null) return found;
  let [low, high] = [0, most];
  while (high - low > most / 1000) {
    const middle = (low + high) / 2;
    const result = attempt(middle);
    if (result === null) high = middle;
    else [low, found] = [middle, result];
  }
  return found;
}
