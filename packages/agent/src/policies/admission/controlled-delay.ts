/**
 * How long a request may wait for its turn, after Maurer, "Fail at Scale" (ACM Queue 13(8), 2015), a form of CoDel
 * (RFC 8289) for servers: a queue that was empty within the last interval is a burst, and those in it may wait for an
 * interval; a queue that was not is standing, and waiting longer than the target only makes everybody late.
 */
export class ControlledDelay {
  readonly #targetMs: number;
  readonly #intervalMs: number;
  #emptyAtMs: number;

  constructor(targetMs: number, intervalMs: number, nowMs: number) {
    this.#targetMs = targetMs;
    this.#intervalMs = intervalMs;
    this.#emptyAtMs = nowMs;
  }

  wasEmpty(nowMs: number): void {
    this.#emptyAtMs = nowMs;
  }

  /** Of those who join the queue now. */
  longestWaitMs(nowMs: number): number {
    return nowMs - this.#emptyAtMs > this.#intervalMs ? this.#targetMs : Math.max(this.#intervalMs, this.#targetMs);
  }
}
