/**
 * How many requests a second are opened: timed, named and counted in their routes. Opening and closing one costs some
 * 10 us of CPU, so this is half a per cent of a core, whatever the traffic; and after twenty seconds a route with a
 * hundredth of the requests is known to 10 %. Below it every request is opened.
 */
const openedPerSecond = 500;

/**
 * How many statements a second are followed call by call. Following one costs some 5 to 10 us of CPU with what is made of
 * it later, so this is less than a per cent of a core; and a statement with one call in a hundred is known to 10 % after ten
 * seconds. Below it every request is followed.
 */
const followedPerSecond = 1_000;

/** Of the ticks in which not every request is followed, the least share in which all are compared with those that run beside them. */
const leastComparedShare = 1 / 16;

/** Long enough to count a rate, short enough that a burst is followed whole for no longer than nobody notices. */
const tickMs = 100;

/**
 * How closely requests are looked at. Under little traffic all of them are opened and followed statement by statement.
 * Above a rate only a share is opened, and of those again only a share followed, each drawn at random before anything
 * is known of them, so that they stand for the others. The shares of the next tick come from the traffic of the last one.
 */
export class Following {
  #openedShare = 1;
  /** Of those that are opened. */
  #followedShare = 1;
  /** Of the last tick that was counted to its end. */
  #arrivedPerSecond = 0;
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

  /** For each request as it arrives: for how many it stands if it is opened, 0 where it is let pass. */
  opensNext(nowMs: number): number {
    if (nowMs - this.#tickFromMs >= tickMs) this.#tick(nowMs);
    this.#arrived += 1;
    if (this.#openedShare === 1) return 1;
    if (Math.random() >= this.#openedShare) return 0;
    // Whole numbers, because they are counted in histograms; right on average.
    return Math.floor(1 / this.#openedShare + Math.random());
  }

  /** For each that is opened. */
  followsNext(): boolean {
    return this.#followedShare === 1 || Math.random() < this.#followedShare;
  }

  /** For each followed request as it ends. */
  ended(calls: number): void {
    this.#closed += 1;
    this.#calls += calls;
  }

  #tick(nowMs: number): void {
    if (this.#closed > 0) this.#callsPerRequest = (this.#callsPerRequest + this.#calls / this.#closed) / 2;
    this.#arrivedPerSecond = (this.#arrived * 1000) / (nowMs - this.#tickFromMs);
    this.#startTick(nowMs);
  }

  #startTick(nowMs: number): void {
    const followedShare = Math.min(followedPerSecond / (this.#arrivedPerSecond * (1 + this.#callsPerRequest)), 1);
    this.compares = followedShare === 1 || Math.random() < Math.max(followedShare, leastComparedShare);
    // The like of one that is compared must not have been let pass.
    this.#openedShare = this.compares ? 1 : Math.min(openedPerSecond / this.#arrivedPerSecond, 1);
    this.#followedShare = Math.min(followedShare / this.#openedShare, 1);
    this.#tickFromMs = nowMs;
    this.#arrived = 0;
    this.#closed = 0;
    this.#calls = 0;
  }
}
