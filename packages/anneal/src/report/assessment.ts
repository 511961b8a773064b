import type { CalibrationEntry } from '../prediction/prediction.ts';
import type { Finding, Silence } from '../finding/finding.ts';
import type { Gap, Quality } from '../measurement/measurement.ts';
import type { PoolObservation, RuntimeObservation } from '../measurement/observations.ts';
import type { HistogramData } from '../stats/histogram.ts';
import type { TargetFingerprint } from '../target/target.ts';
import type { Comparison, Distribution, GuardResult, NoiseFloor, Round, Trial } from '../trial/trial.ts';
import type { LoadResult } from '../workload/load-result.ts';

/**
 * The versioned JSON every report, dashboard page and MCP answer is a projection of.
 * Its JSON Schema is docs/reference/assessment.schema.json. No SQL constant, parameter, header or
 * body of the target is in it.
 */
export interface Assessment {
  /** Semantic version: a consumer may rely on every field of its major version. */
  readonly schemaVersion: '1.0.0';
  readonly run: RunFacts;
  readonly summary: Summary;
  readonly target: TargetFingerprint;
  readonly workload: WorkloadFacts;
  /** The baseline window, and for `optimize` the window of the final load test. */
  readonly windows: readonly Window[];
  readonly findings: readonly AssessedFinding[];
  readonly silences: readonly Silence[];
  /** What the machine could prove, measured before the first trial; null when nothing was tried. */
  readonly noiseFloor: NoiseFloor | null;
  readonly trials: readonly Trial[];
  /** Everything kept together against the original, in fresh processes; null when nothing was kept. */
  readonly overall: Overall | null;
  readonly calibration: readonly CalibrationEntry[];
  readonly thresholds: readonly ThresholdResult[];
  readonly costs: Costs;
  /** Sentences, most valuable first. */
  readonly nextActions: readonly string[];
  readonly domains: readonly DomainCoverage[];
}

export interface RunFacts {
  readonly id: string;
  readonly command: 'measure' | 'diagnose' | 'optimize' | 'try' | 'demo' | 'load' | 'record';
  readonly startedAt: string;
  readonly durationMs: number;
  readonly annealVersion: string;
  readonly seed: number;
}

/** The few figures a machine reads first. */
export interface Summary {
  /** Only where the target is labelled (the demo). */
  readonly defects: {
    readonly expected: number;
    readonly found: number;
    readonly missed: readonly string[];
    readonly invented: readonly string[];
  } | null;
  /** Of changes that are kept or rolled back: patches of the source are neither. */
  readonly trials: { readonly kept: number; readonly rolledBack: number; readonly inconclusive: number };
  readonly overall: { readonly metric: string; readonly change: Comparison['change'] } | null;
  readonly calibration: readonly {
    readonly remedy: string;
    readonly metric: string;
    readonly predicted: number;
    readonly measured: number;
  }[];
  readonly durationMs: number;
}

export interface WorkloadFacts {
  readonly name: string;
  /** In words, e.g. "30 iterations/s, Poisson arrivals". */
  readonly executor: string;
  readonly scenarios: readonly { readonly name: string; readonly weightShare: number }[];
  readonly hash: string;
}

export interface Window {
  readonly id: string;
  readonly title: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly quality: Quality;
  readonly gaps: readonly Gap[];
  readonly load: LoadResult | null;
  readonly routes: readonly WindowRoute[];
  readonly statements: readonly WindowStatement[];
  readonly pools: readonly PoolObservation[];
  readonly runtime: RuntimeObservation | null;
}

export interface WindowRoute {
  readonly route: string;
  readonly requests: number;
  readonly errors: number;
  readonly durationUs: HistogramData;
  readonly totalMs: number;
  readonly queryMs: number;
  readonly poolWaitMs: number;
  readonly outgoingMs: number;
  readonly redisMs: number;
  /** Null without a profile. */
  readonly cpuMs: number | null;
  readonly responseBytes: number;
  /** Share of all requests' time, 0-1. */
  readonly timeShare: number;
}

export interface WindowStatement {
  readonly id: string;
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
  readonly timeShare: number;
  readonly locations: readonly string[];
}

/** `standing` is what became of the finding: tried and confirmed, tried and refuted, or not tried. */
export interface AssessedFinding extends Finding {
  /** What of its impact is certain, as a share of the workload's request time: the order of the findings. */
  readonly requestTimeShare: number;
  readonly standing: 'confirmed' | 'refuted' | 'undecided' | 'proposed' | 'suppressed';
  /** Why it was not tried, or what the trial said. */
  readonly standingReason: string;
  readonly trialId: string | null;
  /** What became of `proposal.patch`; absent where there is none. */
  readonly patch?: AssessedPatch;
}

/**
 * A patch is never applied to the source: that was not given for change. `withdrawn` ones give other answers, make something
 * worse or keep the backend from running; `undecided` ones show no gain that these rounds could prove; what `unprovable` ones
 * are worth no trial under the same traffic could show.
 */
export interface AssessedPatch {
  readonly standing: 'proven' | 'withdrawn' | 'undecided' | 'unprovable' | 'untried';
  /** Below the run's folder. What was withdrawn lies apart, so that `git apply changes/*.patch` does not meet it. */
  readonly file: string;
  /** Why it was not tried or not proven; null where it was proven. */
  readonly reason: string | null;
  readonly trialId: string | null;
}

export interface Overall {
  readonly comparisons: readonly Comparison[];
  readonly guards: readonly GuardResult[];
  readonly distributions: readonly Distribution[];
  readonly rounds: readonly Round[];
}

export interface ThresholdResult {
  readonly metric: string;
  readonly expression: string;
  readonly value: number | null;
  readonly holds: boolean;
}

/** What the kept changes take, measured. */
export interface Costs {
  readonly diskBytes: number;
  readonly buildMs: number;
  readonly memoryBytes: number;
  readonly connections: number;
  /** Change of write volume of the whole workload, 0.1 = a tenth more; null when nothing was kept. */
  readonly writeVolumeChange: number | null;
}

export interface DomainCoverage {
  readonly id: string;
  readonly title: string;
  readonly rules: number;
  readonly remedies: number;
}
