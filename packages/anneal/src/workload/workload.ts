/**
 * The traffic a target is put under. Everything is data, so a workload can be hashed, stored and
 * replayed; the words are k6's.
 */

export interface Workload {
  readonly name: string;
  /** The same seed makes the same requests in the same order. */
  readonly seed: number;
  readonly executor: Executor;
  /** Each iteration picks one scenario by weight. Never empty. */
  readonly scenarios: readonly Scenario[];
  readonly variables: Readonly<Record<string, Variable>>;
  /** Who the requests are made as; null for anonymous traffic. */
  readonly login: Login | null;
  /** Metric name to k6 expressions, e.g. `{ http_req_duration: ['p(95)<500'], http_req_failed: ['rate<0.01'] }`. */
  readonly thresholds: Readonly<Record<string, readonly string[]>>;
}

export type Executor =
  | { readonly type: 'constant-arrival-rate'; readonly ratePerSecond: number; readonly arrivals?: 'even' | 'poisson' }
  | {
      readonly type: 'ramping-arrival-rate';
      readonly startRatePerSecond: number;
      readonly stages: readonly RateStage[];
      readonly arrivals?: 'even' | 'poisson';
    }
  | RecordedArrivals
  | { readonly type: 'constant-vus'; readonly vus: number }
  | { readonly type: 'ramping-vus'; readonly startVus: number; readonly stages: readonly VuStage[] };

/**
 * Traffic as it was recorded: each arrival starts its scenario at its own moment and with its own values.
 * A window shorter than the recording begins at a moment that its seed draws; a longer one goes through it again.
 */
export interface RecordedArrivals {
  readonly type: 'recorded-arrivals';
  /** In order of time. */
  readonly arrivals: readonly RecordedArrival[];
  readonly lengthMs: number;
  /** 2 sends the same requests in half the time. Default 1. */
  readonly speed?: number;
}

export interface RecordedArrival {
  /** After the recording's beginning, below its length. */
  readonly atMs: number;
  /** Name of the scenario. */
  readonly scenario: string;
  /** In place of what the workload's variables would draw. */
  readonly values?: Readonly<Record<string, string | number>>;
}

export interface RateStage {
  readonly targetRatePerSecond: number;
  readonly durationMs: number;
}
export interface VuStage {
  readonly targetVus: number;
  readonly durationMs: number;
}

export interface Scenario {
  readonly name: string;
  readonly weight: number;
  /** Sent one after the other by one iteration. */
  readonly steps: readonly Step[];
}

export interface Step {
  /** Groups results; defaults to `METHOD path-template`. */
  readonly name?: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** May hold `{variable}`; captured values and variables are URL-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON; every string in it may hold `{variable}`. A string that is exactly `{variable}` keeps the variable's type. */
  readonly body?: unknown;
  /** Send the session's token as `Authorization: Bearer`. Default: true when the workload has a login. */
  readonly authenticated?: boolean;
  /** Values for the later steps of this iteration: name to JSON path such as `$.id` or `$.items[0].id`. */
  readonly capture?: Readonly<Record<string, string>>;
  /** Default: status below 400. */
  readonly checks?: readonly Check[];
  readonly thinkTimeMs?: number;
}

export type Check =
  | { readonly type: 'status'; readonly in: readonly number[] }
  | { readonly type: 'body-includes'; readonly text: string }
  | { readonly type: 'json-exists'; readonly path: string };

export type Variable =
  | { readonly type: 'integer'; readonly min: number; readonly max: number; readonly distribution?: 'uniform' | 'zipf' }
  | { readonly type: 'one-of'; readonly values: readonly (string | number)[] }
  | { readonly type: 'text'; readonly words: number }
  /**
   * For values that must not repeat. Rendered through `template`, where `{n}` is a whole number that
   * counts up from a million times the run's seed: unique across iterations and across runs of
   * different seeds, and the same on both arms of a trial.
   */
  | { readonly type: 'sequence'; readonly template: string };

export interface Login {
  /** How many sessions are opened before the load starts. */
  readonly sessions: number;
  readonly request: Step;
  /** JSON path of the bearer token in the login's answer. */
  readonly token: string;
}
