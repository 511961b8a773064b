import type { MetricId } from '../prediction/prediction.ts';
import type { Estimate } from '../stats/estimate.ts';
import { invertIncreasing } from '../stats/invert.ts';
import { designEffect, shareDifference, type Tally, totalOf } from '../stats/proportion.ts';
import { median } from '../stats/sample.ts';
import { hodgesLehmannEstimate, signedRankTest } from '../stats/signed-rank.ts';
import type { Round, Slice } from './trial.ts';

/** What the rounds say about one metric, at whatever level is asked for. */
export interface PairedEvidence {
  readonly metric: MetricId;
  /** Rounds in which both slices have the metric. */
  readonly rounds: number;
  /** Median over the slices of an arm; for `errors` the share of all its requests. */
  readonly baseline: number;
  readonly candidate: number;
  /** Relative change; for `errors` the difference of the two shares. At a level too high for the rounds, the widest interval and its own level. */
  change(confidenceLevel: number): Estimate;
  /** One-sided p-value of "the change is `margin` or worse". */
  chanceOfWorse(margin: number): number;
}

export function pairedEvidence(metric: MetricId, rounds: readonly Round[]): PairedEvidence {
  return metric === 'errors' ? errorEvidence(rounds) : ratioEvidence(metric, rounds);
}

export function keptRounds(rounds: readonly Round[]): readonly Round[] {
  return rounds.filter((round) => round.dropped.length === 0);
}

/** Candidate over baseline as a natural logarithm, one value for each round that has the metric on both sides. */
export function logRatios(metric: MetricId, rounds: readonly Round[]): readonly number[] {
  return rounds.map((round) => logRatio(metric, round)).filter((ratio) => ratio !== null);
}

/**
 * A metric may be zero: a statement that is no longer sent, a pool nobody waited for. Each side
 * therefore counts as at least the metric's resolution: nothing against nothing is no change, a
 * vanished cost is nearly -100 % instead of minus infinity, and what lies above is taken as it is.
 */
export function logRatio(metric: MetricId, round: Round): number | null {
  const baseline = valueOf(metric, round.baseline);
  const candidate = valueOf(metric, round.candidate);
  if (baseline === null || candidate === null) return null;
  const resolution = resolutionOf(metric, round);
  return Math.log(Math.max(candidate, resolution) / Math.max(baseline, resolution));
}

/** The amount below which a metric is as good as nothing, in the units of `Slice.metrics`. */
function resolutionOf(metric: MetricId, { baseline, candidate }: Round): number {
  // Latency in microseconds, the histogram's own unit; memory and answers in bytes.
  if (metric.startsWith('latency.') || metric === 'memory' || metric.startsWith('response.bytes')) return 1;
  // One WAL record is at least its 24-byte header (PostgreSQL, access/xlogrecord.h, SizeOfXLogRecord): one a request of the
  // whole workload, but one a slice of a few statements, which most requests do not run.
  if (metric === 'wal.bytes') return 24;
  if (metric.startsWith('wal.bytes:')) return 24 / Math.max(baseline.requests, candidate.requests, 1);
  // Milliseconds a request: 0.001 is a thousandth of one core at 1,000 requests a second.
  return 0.001;
}

function valueOf(metric: MetricId, slice: Slice): number | null {
  const value = slice.metrics[metric];
  return value === undefined || !Number.isFinite(value) || value < 0 ? null : value;
}

function ratioEvidence(metric: MetricId, rounds: readonly Round[]): PairedEvidence {
  const paired = rounds.filter((round) => logRatio(metric, round) !== null);
  const ratios = logRatios(metric, paired);
  return {
    metric,
    rounds: paired.length,
    baseline: medianOrZero(paired.map((round) => round.baseline.metrics[metric]!)),
    candidate: medianOrZero(paired.map((round) => round.candidate.metrics[metric]!)),
    change(confidenceLevel) {
      const estimate = hodgesLehmannEstimate(ratios, confidenceLevel);
      return {
        point: Math.expm1(estimate.point),
        lower: Math.expm1(estimate.lower),
        upper: Math.expm1(estimate.upper),
        confidenceLevel: estimate.confidenceLevel,
      };
    },
    chanceOfWorse: (margin) => signedRankTest(ratios.map((ratio) => ratio - Math.log1p(margin))).less,
  };
}

/** A figure of no rounds stands beside an estimate of confidence 0 and says as little. */
function medianOrZero(values: readonly number[]): number {
  return values.length === 0 ? 0 : median(values);
}

/**
 * Errors are rare and come in bursts: a ratio of two shares near zero is noise, and a median would
 * overlook the one slice in ten in which everything failed. So shares are compared, over all requests,
 * both tallies divided by the larger design effect: what bursts on one arm can burst on the other.
 */
function errorEvidence(rounds: readonly Round[]): PairedEvidence {
  const served = rounds.filter((round) => tallyOf(round.baseline).trials > 0 && tallyOf(round.candidate).trials > 0);
  const [before, after] = [served.map(({ baseline }) => tallyOf(baseline)), served.map(({ candidate }) => tallyOf(candidate))];
  const effect = Math.max(designEffect(before), designEffect(after));
  const weigh = ({ events, trials }: Tally): Tally => ({ events: events / effect, trials: trials / effect });
  const [baseline, candidate] = [weigh(totalOf(before)), weigh(totalOf(after))];
  const nothing: Estimate = { point: 0, lower: 0, upper: 0, confidenceLevel: 0 };
  const change = (level: number) => (served.length === 0 ? nothing : shareDifference(baseline, candidate, level));
  const share = ({ events, trials }: Tally) => (trials === 0 ? 0 : events / trials);
  return {
    metric: 'errors',
    rounds: served.length,
    baseline: share(baseline),
    candidate: share(candidate),
    change,
    chanceOfWorse(margin) {
      if (served.length === 0 || change(0).point >= margin) return 1;
      // The p-value belongs to the interval whose upper end is the margin.
      return (1 - invertIncreasing((level) => change(level).upper, margin, 0, 1 - 1e-12)) / 2;
    },
  };
}

function tallyOf(slice: Slice): Tally {
  return { events: slice.failedRequests, trials: slice.requests - (slice.refusedRequests ?? 0) };
}
