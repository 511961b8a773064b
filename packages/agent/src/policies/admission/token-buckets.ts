interface Bucket {
  tokens: number;
  atMs: number;
}

export interface Taken {
  readonly allowed: boolean;
  /** Whole requests that may still come at once. */
  readonly remaining: number;
  /** Until the next one may come, where none may now; else until the allowance is whole again. */
  readonly waitSeconds: number;
}

/** A token bucket per identity: filled at a rate, as full as a burst, one token per request. */
export class TokenBuckets {
  readonly #ratePerSecond: number;
  readonly #burst: number;
  readonly #most: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(ratePerSecond: number, burst: number, most: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#burst = burst;
    this.#most = most;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(identity: string, nowMs: number): Taken {
    const bucket = this.#buckets.get(identity) ?? { tokens: this.#burst, atMs: nowMs };
    this.#buckets.delete(identity);
    this.#buckets.set(identity, bucket);
    if (this.#buckets.size > this.#most) this.#dropOldest();
    bucket.tokens = Math.min(bucket.tokens + ((nowMs - bucket.atMs) * this.#ratePerSecond) / 1000, this.#burst);
    bucket.atMs = nowMs;
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens -= 1;
    const missing = allowed ? this.#burst - bucket.tokens : 1 - bucket.tokens;
    return { allowed, remaining: Math.floor(bucket.tokens), waitSeconds: missing / this.#ratePerSecond };
  }

  clear(): void {
    this.#buckets.clear();
  }

  #dropOldest(): void {
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}
