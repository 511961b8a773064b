import type { OpenRequest } from '../requests/request.ts';

/** Half a minute of 1,500 requests a second; some 3 MB. Later ones are left out: what ran for them is then nobody's. */
const mostRequests = 50_000;
const mostTurns = 100_000;

/** Less than half of the time between two samples: where the event loop turns between them, this shows it. */
const turnsEveryMs = 4;

/** When requests were open and when the event loop turned, in microseconds of the clock that V8's profiles are kept by. */
export interface Timeline {
  readonly requests: readonly { readonly method: string; readonly route: string; readonly fromUs: number; readonly toUs: number }[];
  readonly turnsUs: readonly number[];
}

interface Span {
  readonly method: string;
  readonly route: string;
  readonly startedAt: number;
  readonly closedAt: number;
}

/**
 * Keeps what tells the samples of a profile apart: V8 does not know which request it is running, but a function that
 * only ever runs while one route is open belongs to that route. Written only while a profile is taken.
 */
export class TimelineRecorder {
  /** Not null while a profile is taken. */
  #timer: NodeJS.Timeout | null = null;
  #requests: Span[] = [];
  #turns: number[] = [];

  start(): void {
    this.#requests = [];
    this.#turns = [];
    this.#timer = setInterval(() => {
      if (this.#turns.length < mostTurns) this.#turns.push(performance.now());
    }, turnsEveryMs);
    this.#timer.unref();
  }

  stop(): Timeline {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    // V8 and Node read the same monotonic clock; `performance.now()` counts from another beginning.
    const offsetUs = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;
    const us = (ms: number) => ms * 1000 + offsetUs;
    const timeline = {
      requests: this.#requests.map(({ method, route, startedAt, closedAt }) => ({
        method,
        route,
        fromUs: us(startedAt),
        toUs: us(closedAt),
      })),
      turnsUs: this.#turns.map(us),
    };
    this.#requests = [];
    this.#turns = [];
    return timeline;
  }

  closed({ method, route, startedAt, closedAt }: OpenRequest): void {
    if (this.#timer !== null && this.#requests.length < mostRequests)
      this.#requests.push({ method, route: route ?? '', startedAt, closedAt });
  }
}
