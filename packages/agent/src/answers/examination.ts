/**
 * How many answers a second are looked at, and how much of them is read. Hashing one of 4 kB and reading its head costs
 * some 100 us where that is done so seldom, so the bounds are two tenths of a per cent of a core, whatever the traffic; and a
 * route with a hundredth of 20 requests a second is seen half a dozen times in 30 seconds.
 */
const examinedPerSecond = 20;
const readBytesPerSecond = 1_000_000;

/** Comparing fifty rows with the answer they went into takes some 0.2 ms: a fifth of a per cent of a core. */
const comparedPerSecond = 10;

/** Ten stacks of 100 us a second, through all that awaits one another down to where an answer is sent from. */
const locatedPerSecond = 10;

const tickMs = 100;

/**
 * Which requests' answers are looked at: all of them in light traffic, else a share drawn before anything is known of
 * them, so that what is seen stands for the rest. The share of a tick comes from the traffic of the one before.
 */
export class Examination {
  #share = 1;
  #tickFromMs = 0;
  #arrived = 0;
  #second = 0;
  #readBytes = 0;
  #located = 0;
  #compared = 0;

  /** Observation begins or goes on: until more is known the traffic is taken to be what it was. */
  resume(nowMs: number): void {
    this.#tickFromMs = nowMs;
    this.#arrived = 0;
  }

  takesNext(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#tickFromMs;
    if (elapsedMs >= tickMs) {
      const perSecond = (this.#arrived * 1000) / elapsedMs;
      this.#share = perSecond > examinedPerSecond ? examinedPerSecond / perSecond : 1;
      this.#tickFromMs = nowMs;
      this.#arrived = 0;
    }
    this.#arrived += 1;
    return this.#share === 1 || Math.random() < this.#share;
  }

  /** Whether that much may still be read in this second; it counts as read if so. */
  reads(sizeBytes: number, nowMs: number): boolean {
    this.#enter(nowMs);
    if (this.#readBytes + sizeBytes > readBytesPerSecond) return false;
    this.#readBytes += sizeBytes;
    return true;
  }

  /** Whether one more stack may be taken in this second. */
  locates(nowMs: number): boolean {
    this.#enter(nowMs);
    this.#located += 1;
    return this.#located <= locatedPerSecond;
  }

  /** Whether one more answer may be compared with its rows in this second. */
  compares(nowMs: number): boolean {
    this.#enter(nowMs);
    this.#compared += 1;
    return this.#compared <= comparedPerSecond;
  }

  #enter(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#readBytes = 0;
    this.#located = 0;
    this.#compared = 0;
  }
}
