/** One metric in OpenTelemetry's terms, cumulative since the process started; both exports are written from it. */
export interface Metric {
  /** As the semantic conventions name it, with dots. */
  readonly name: string;
  readonly description: string;
  /** UCUM. */
  readonly unit: 's' | 'By' | '1';
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly points: readonly Point[];
}

export type Attributes = Readonly<Record<string, string | number>>;

export type Point =
  | { readonly attributes: Attributes; readonly value: number }
  | {
      readonly attributes: Attributes;
      readonly count: number;
      readonly sum: number;
      /** Cumulative counts of values at or below each bound of `bounds`. */
      readonly upTo: readonly number[];
    };

/** Bounds in seconds that the semantic conventions advise for durations (http.server.request.duration). */
export const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;
