import type { SourceLocation, SynchronousCallSummary } from '../protocol.ts';

/** One call of a `...Sync` function within a request. */
export interface SynchronousCall {
  /** `fs.readFileSync` */
  readonly name: string;
  /** Null where the stack was not taken. */
  readonly location: SourceLocation | null;
  readonly durationMs: number;
}

const mostPlaces = 64;

interface Totals {
  readonly name: string;
  location: SourceLocation | null;
  calls: number;
  requests: number;
  totalMs: number;
  longestMs: number;
}

/** Synchronous calls of one route in one window, by function and place. */
export class SynchronousWork {
  readonly #totals: Totals[] = [];

  /** Those of one request that stands for so many. Calls whose place was not taken count with the one that this function was called from most. */
  add(calls: readonly SynchronousCall[], times: number): void {
    const touched = new Set<Totals>();
    for (const { name, location, durationMs } of calls) {
      const totals = this.#at(name, location);
      if (totals === null) continue;
      touched.add(totals);
      totals.calls += times;
      totals.totalMs += times * durationMs;
      if (durationMs > totals.longestMs) totals.longestMs = durationMs;
    }
    for (const totals of touched) totals.requests += times;
  }

  toSummaries(): readonly SynchronousCallSummary[] {
    return this.#totals.toSorted((one, other) => other.totalMs - one.totalMs);
  }

  #at(name: string, location: SourceLocation | null): Totals | null {
    const same = this.#totals.filter((totals) => totals.name === name);
    if (location === null && same.length > 0) return same.reduce((most, other) => (other.calls > most.calls ? other : most));
    const known = same.find((totals) => totals.location === location || totals.location === null);
    if (known !== undefined) {
      known.location ??= location;
      return known;
    }
    if (this.#totals.length >= mostPlaces) return null;
    const fresh = { name, location, calls: 0, requests: 0, totalMs: 0, longestMs: 0 };
    this.#totals.push(fresh);
    return fresh;
  }
}
