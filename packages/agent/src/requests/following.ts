/**
 * How many arrivals and statements a second are followed. Following costs some 20 us of CPU each with what is made of it
 * later, where that is seldom done: this is a per cent of a core, whatever the traffic. Below it every request is followed.
 */
const followedPerSecond = 500;

/**
 * Where as many requests arrive the process is busy, and what it seldom does finds nothing of its own in the caches: following
 * costs twice as much there (`make bench-agent`), so at twice the rate half as many are followed.
 */
const busyFromPerSecond = 500;

/**
 * Requests are followed in a row: what they stand for is then what arrived until the next row, counted and not estimated, and
 * they can be compared with their neighbours.
 */
const fewestInARow = 64;
const mostInARow = 512;

/**
 * The first requests of an observation, in one row: V8 compiles what runs often, and what a followed request runs would
 * stay in its interpreter for minutes under traffic of which few are followed. A fifth of a second of CPU at most.
 */
const firstInARow = 2_000;

/** In a row together, as far as is known before: some 0.2 s of CPU, and 4 MB where none of them has ended. */
const mostCallsInARow = 20_000;

/** Requests that arrived one after the other and are opened and followed. */
export class Look {
  /** Those that arrived in it. */
  opened = 0;
  /** Those that arrived after it and were let pass. */
  passed = 0;
  /** Whether what it stands for will not change any more. */
  settled: boolean;
  /** For how many requests each of it stands: as planned, and as it was once settled. */
  weight: number;

  constructor(settled: boolean, weight: number) {
    this.settled = settled;
    this.weight = weight;
  }

  /** For how many one of it stands, in whole numbers, because they are counted in histograms; right on average. */
  times(): number {
    return this.weight === 1 ? 1 : Math.floor(this.weight + Math.random());
  }

  settle(): void {
    if (this.settled) return;
    this.settled = true;
    this.weight = this.opened === 0 ? 1 : (this.opened + this.passed) / this.opened;
  }
}

/** For requests that are opened whatever is let pass: each stands for itself. */
export const alone = new Look(true, 1);

/**
 * Which requests are looked at. Under little traffic all of them are opened and followed statement by statement. Above a
 * rate only rows of them are, and the others let pass; each row stands for itself and for what arrives until the next one.
 * How many are let pass varies at random around what the traffic of the last row asks for: nothing that comes regularly can
 * hide from it.
 */
export class Following {
  /** What arrives in the next row of requests is as much of all as this. */
  #share = 1;
  #look: Look;
  #passes = false;
  /** Of the row that is on, or to be let pass after it. */
  #left: number;
  /** When the next row begins at the latest, whatever has arrived by then. */
  #passesUntilMs = Number.POSITIVE_INFINITY;
  #lookFromMs = 0;
  #rowLength = fewestInARow;
  /** Null before the first row is complete. */
  #arrivedPerSecond: number | null = null;
  /** Since one was let pass. */
  #openedInARow = Number.POSITIVE_INFINITY;
  #ended = 0;
  #calls = 0;
  /** Smoothed, and kept over rows that saw no request end. */
  #callsPerRequest = 1;

  constructor() {
    this.#look = new Look(true, 1);
    this.#left = fewestInARow;
  }

  /** An observation begins: the first requests of it stand for themselves. */
  begin(): void {
    this.#restart(firstInARow);
  }

  /** What arrives from now on is looked at anew, because a window of figures begins: the first stand for themselves. */
  restart(): void {
    this.#restart(fewestInARow);
  }

  #restart(length: number): void {
    this.#look.settle();
    this.#begin(new Look(true, 1), length);
  }

  /** For each request as it arrives: the row it is part of; null where it is let pass. `underWay`: requests that are open now. */
  arrives(nowMs: number, underWay: number): Look | null {
    if (this.#left === 0 || nowMs >= this.#passesUntilMs) this.#turn(nowMs, underWay);
    this.#left -= 1;
    if (this.#passes) {
      this.#look.passed += 1;
      return null;
    }
    if (this.#look.opened === 0) this.#lookFromMs = nowMs;
    this.#look.opened += 1;
    this.#openedInARow += 1;
    return this.#look;
  }

  /** Whether the request that just arrived can be compared with those under way: later in a row, when those that were let pass have gone. */
  get compares(): boolean {
    return this.#openedInARow > this.#rowLength / 2;
  }

  /** For each followed request as it ends. */
  ended(calls: number): void {
    this.#ended += 1;
    this.#calls += calls;
    if (!this.#passes && this.#calls >= mostCallsInARow) this.#left = 0;
  }

  /** The row is complete, or enough were let pass after it. */
  #turn(nowMs: number, underWay: number): void {
    if (!this.#passes) this.#learn(nowMs, underWay);
    // A row that stands for itself alone has been counted as such.
    const letsPass = this.#passes || this.#look.settled ? 0 : Math.round(this.#look.opened * (1 / this.#share - 1) * (0.5 + Math.random()));
    if (letsPass > 0) {
      this.#passes = true;
      this.#openedInARow = 0;
      this.#left = letsPass;
      // Half as long again as it should take: the rush is over.
      this.#passesUntilMs = nowMs + (1.5 * letsPass * 1000) / (this.#arrivedPerSecond ?? 1);
      return;
    }
    this.#look.settle();
    this.#begin(new Look(this.#share === 1, 1 / this.#share), this.#rowLength);
  }

  #begin(look: Look, length: number): void {
    this.#look = look;
    this.#passes = false;
    this.#left = length;
    this.#passesUntilMs = Number.POSITIVE_INFINITY;
  }

  #learn(nowMs: number, underWay: number): void {
    const arrivedPerSecond = (this.#look.opened * 1000) / Math.max(nowMs - this.#lookFromMs, 1);
    // Where the rush is over that is believed at once.
    this.#arrivedPerSecond = Math.min(arrivedPerSecond, ((this.#arrivedPerSecond ?? arrivedPerSecond) + arrivedPerSecond) / 2);
    if (this.#ended > 0) this.#callsPerRequest = (this.#callsPerRequest + this.#calls / this.#ended) / 2;
    this.#ended = 0;
    this.#calls = 0;
    const busy = Math.min(Math.max(this.#arrivedPerSecond / busyFromPerSecond - 1, 0), 1);
    const budget = followedPerSecond * (1 - busy / 2);
    this.#share = Math.min(budget / (this.#arrivedPerSecond * (1 + this.#callsPerRequest)), 1);
    // By half of it those that were let pass have gone.
    const wanted = Math.min(Math.max(4 * underWay, fewestInARow), mostInARow);
    this.#rowLength = Math.max(Math.min(wanted, Math.floor(mostCallsInARow / (1 + this.#callsPerRequest))), 1);
  }
}
