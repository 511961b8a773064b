import type { OpenRequest } from '../requests/request.ts';

/** Half a minute of 1,500 requests a second; some 3 MB. Later ones are left out: what ran for them is then nobody's. */
const mostRequests = 50_000;
const mostTurns = 100_000;

/** Less than half of the time between two samples: where the event loop turns between them, this shows it. */
const turnsEveryMs = 4;

/**
 * A due time that is always near makes each wait of the event loop dearer (see `runtime.ts`). Where requests arrive and close a
 * thousand times a second they show its turns themselves: a gap of 7 ms between them comes once in a thousand (Poisson).
 */
const seldomMs = 50;
const shownPerMs = 1;

/** Two turns closer than this say no more than one. */
const turnsApartMs = 1;

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
  #lastTurnMs = Number.NEGATIVE_INFINITY;
  /** Since the timer was set. */
  #shown = 0;

  start(): void {
    this.#requests = [];
    this.#turns = [];
    this.#watch(turnsEveryMs);
  }

  #watch(delayMs: number): void {
    this.#shown = 0;
    this.#timer = setTimeout(() => {
      const shown = this.#shown;
      this.turned(performance.now());
      this.#watch(shown >= delayMs * shownPerMs ? seldomMs : turnsEveryMs);
    }, delayMs).unref();
  }

  /** Something arrived: the event loop came round to it. */
  turned(nowMs: number): void {
    if (this.#timer === null) return;
    this.#shown += 1;
    if (nowMs - this.#lastTurnMs < turnsApartMs || this.#turns.length >= mostTurns) return;
    this.#lastTurnMs = nowMs;
    this.#turns.push(nowMs);
  }

  stop(): Timeline {
    if (this.#timer !== null) clearTimeout(this.#timer);
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
    if (this.#timer === null) return;
    this.turned(closedAt);
    if (this.#requests.length < mostRequests) this.#requests.push({ method, route: route ?? '', startedAt, closedAt });
  }
}
