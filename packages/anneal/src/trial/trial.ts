import type { Finding } from '../finding/finding.ts';
import type { HistogramData } from '../stats/histogram.ts';
import type { MetricId, Prediction } from '../prediction/prediction.ts';
import type { Cost, Description, Json } from '../remedy/remedy.ts';
import type { Estimate } from '../stats/estimate.ts';
import type { Leaning } from './lean-traffic.ts';

/** One remedy on two arms. Several trials may share their slices when they touch nothing in common. */
export interface Trial {
  readonly id: string;
  /** Null, as is the prediction, for a change that somebody brought. */
  readonly finding: Finding | null;
  readonly remedyId: string;
  /** A patch of the source that Anneal wrote, by the codemod `remedyId`: proven or not, it stays a file. */
  readonly isPatch?: true;
  readonly description: Description;
  readonly plan: Json;
  readonly prediction: Prediction | null;
  readonly design: TrialDesign;
  readonly primary: Comparison;
  readonly guards: readonly GuardResult[];
  readonly equality: Equality;
  readonly cost: Cost;
  readonly verdict: Verdict;
  /** How far statements moved that the change cannot have touched; null where there were none. */
  readonly placebo: Placebo | null;
  /** Raw slices, so that anyone can compute the verdict again. */
  readonly rounds: readonly Round[];
  /** Response times of both arms over all kept rounds, of the whole workload and of touched routes. */
  readonly distributions: readonly Distribution[];
}

export interface Placebo {
  /** What was looked at although the change cannot have touched it. */
  readonly controls: readonly MetricId[];
  readonly rounds: number;
  readonly drift: Estimate;
  /** Anything but `no-change` means that the arms differ in more than the change. */
  readonly result: Result;
  readonly sentence: string;
}

export interface Distribution {
  readonly subject: string;
  readonly baseline: HistogramData;
  readonly candidate: HistogramData;
}

export interface TrialDesign {
  readonly seed: number;
  readonly sliceMs: number;
  readonly looks: readonly number[];
  readonly nominalLevel: number;
  /** A keep needs the whole interval below minus this share. */
  readonly minimumEffect: number;
  /** Ids of trials that shared the arms. */
  readonly sharedWith: readonly string[];
  /** Where what the change touches is rare: how far both arms' traffic was leaned to it. Absent in ordinary traffic. */
  readonly leaning?: Leaning;
  /** Both states in one process, the policy switched between the slices, instead of two processes side by side. */
  readonly toggled?: true;
  /** For a policy: the share of the requests that it acted on (0-1), and when it would have ended by itself. */
  readonly policy?: { readonly share: number; readonly expiresAfterMs: number };
}

/** One slice per arm, in random order. */
export interface Round {
  readonly index: number;
  readonly first: 'baseline' | 'candidate';
  readonly baseline: Slice;
  readonly candidate: Slice;
  /** Reasons for dropping it, found without looking at its outcome; empty when kept. */
  readonly dropped: readonly string[];
  /** Why its latencies are counted from the actual send and not from the due time; empty where they need not be. */
  readonly late: readonly string[];
}

/**
 * Everything is per slice; `metrics` are already per request (per answer given, where some were refused): latency in
 * microseconds, other times in milliseconds, WAL and memory in bytes. `errors` is judged from the counts.
 */
export interface Slice {
  readonly requests: number;
  /** Without the refused ones. */
  readonly failedRequests: number;
  /** By a policy, as its limits say: neither answers nor errors. Absent: none. */
  readonly refusedRequests?: number;
  readonly metrics: Readonly<Partial<Record<MetricId, number>>>;
}

export type Result = 'improved' | 'regressed' | 'no-change' | 'inconclusive';

export interface Comparison {
  readonly metric: MetricId;
  readonly baseline: number;
  readonly candidate: number;
  /**
   * Relative change candidate / baseline - 1, Hodges-Lehmann over paired log ratios; for `errors` the
   * difference of the two shares. Its level is lower than the design's where the rounds cannot support it.
   */
  readonly change: Estimate;
  readonly result: Result;
  readonly rounds: number;
}

export interface GuardResult extends Comparison {
  /** Non-inferior when the interval's upper end stays below it. */
  readonly margin: number;
  readonly holds: boolean;
}

export interface Equality {
  readonly result: 'match' | 'mismatch' | 'unknown';
  readonly compared: number;
  readonly mismatches: readonly Mismatch[];
  readonly masks: readonly Mask[];
  /** Answers equal but for the order of an array whose statement leaves the order open. */
  readonly reordered: number;
  /** Requests whose answers could not be compared; any of them makes a match impossible. */
  readonly unknown?: readonly UnknownAnswer[];
}

export interface UnknownAnswer {
  readonly request: string;
  readonly reason: string;
}

export interface Mismatch {
  readonly request: string;
  /** JSON path, `status` or `header:name`. */
  readonly where: string;
  /** What differed, values shortened and never credentials. */
  readonly difference: string;
}

/** A place in an answer that differs between two runs of the baseline itself. */
export interface Mask {
  /** `GET /posts/:id` style name of the step. */
  readonly request: string;
  /** JSON path with `[]` for any element, e.g. `$.items[].createdAt`. Never `$`. */
  readonly path: string;
  readonly reason: string;
}

export type Verdict =
  | { readonly decision: 'keep'; readonly performance: 'improved'; readonly equality: 'match' }
  | { readonly decision: 'rollback'; readonly performance: Result; readonly equality: Equality['result']; readonly reason: string };

/** What baseline against itself shows: how far two equal arms seem to differ on this machine. */
export interface NoiseFloor {
  readonly rounds: readonly Round[];
  readonly metrics: readonly {
    readonly metric: string;
    /** Standard deviation of the paired log ratio between two identical arms. */
    readonly noise: number;
    readonly bias: number;
    /** Smallest change that the design can prove with its last look. */
    readonly smallestProvable: number;
  }[];
  readonly masks: readonly Mask[];
  /** What kept the two arms from being alike, and will in every trial, as sentences for the reader. */
  readonly reservations?: readonly string[];
}
