/**
 * A number somebody estimated, with the interval that says how well.
 *
 * Changes are relative: `point: -0.4` is "40 % less". Intervals are two-sided at `confidenceLevel`.
 */
export interface Estimate {
  readonly point: number;
  readonly lower: number;
  readonly upper: number;
  /** 0-1, e.g. 0.95. */
  readonly confidenceLevel: number;
}

/** How a number came to be. A report never prints one without this word. */
export type Provenance = 'measured' | 'predicted' | 'assumed';
