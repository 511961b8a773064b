/**
 * How many statements a second are followed call by call. Following one costs some 2.5 us of CPU, so this
 * is half a per cent of a core, whatever the traffic; and enough that a statement with one call in a
 * hundred is known to about 5 % after ten seconds. Below it every request is followed.
 */
const followedPerSecond = 2_000;

/** Of the ticks in which not every request is followed, the least share in which all are compared with those that run beside them. */
const leastComparedShare = 1 / 8;

/** Long enough to count a rate, short enough that a burst is followed whole for no longer than nobody notices. */
const tickMs = 100;

/**
 * Which requests are followed statement by statement. All are counted and timed; above a rate only a
 * share of them, drawn at random before anything is known of them, also shows its statements.
 * The share of the next tick comes from the traffic of the last one.
 */
export class Following {
  #share = 1;
  #tickFromMs = 0;
  #arrived = 0;
  #closed = 0;
  #calls = 0;
  /** Smoothed, and kept over ticks that saw no request end. */
  #callsPerRequest = 1;
  /** Whether GETs that arrive now are compared with those under way: of whole ticks, because only neighbours in time can meet. */
  compares = true;

  /** Observation begins or goes on: until more is known the traffic is taken to be what it was. */
  resume(nowMs: number): void {
    this.#startTick(nowMs);
  }

  /** For each request as it arrives. */
  takesNext(nowMs: number): boolean {
    if (nowMs - this.#tickFromMs >= tickMs) this.#tick(nowMs);
    this.#arrived += 1;
    return this.#share === 1 || Math.random() < this.#share;
  }

  /** For each followed request as it ends. */
  ended(calls: number): void {
    this.#closed += 1;
    this.#calls += calls;
  }

  #tick(nowMs: number): void {
    if (this.#closed > 0) this.#callsPerRequest = (this.#callsPerRequest + this.#calls / this.#closed) / 2;
    const perSecond = (this.#arrived * (1 + this.#callsPerRequest) * 1000) / (nowMs - this.#tickFromMs);
    this.#share = perSecond > followedPerSecond ? followedPerSecond / perSecond : 1;
    this.compares = this.#share === 1 || Math.random() < Math.max(this.#share, leastComparedShare);
    this.#startTick(nowMs);
  }

  #startTick(nowMs: number): void {
    this.#tickFromMs = nowMs;
    this.#arrived = 0;
    this.#closed = 0;
    this.#calls = 0;
  }
}
