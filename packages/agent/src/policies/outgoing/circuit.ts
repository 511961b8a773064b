export interface CircuitLimits {
  /** 0-1: opens when at least this share of the calls of a window failed. */
  readonly failureShare: number;
  /** Fewer calls in a window say nothing about the peer. */
  readonly minCalls: number;
  readonly windowMs: number;
  /** How long nothing is asked of the peer; then a few calls try. */
  readonly openMs: number;
  /** How many calls try, and must all succeed for the rest to follow. */
  readonly probes: number;
}

/** What a call learned of its peer. `nothing`: the application gave it up itself. */
export type Outcome = 'succeeded' | 'failed' | 'nothing';

/** Which calls it is an outcome of: those begun before the state last changed do not speak for the new one. */
export type Pass = number;

/**
 * The circuit breaker of Nygard, "Release It!": closed while the peer answers, open once too many calls fail, half open
 * when a few of them find out whether it answers again. Calls are counted over the running half window and the one before,
 * which is between half a window and a whole one.
 */
export class Circuit {
  readonly #limits: CircuitLimits;
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  #generation: Pass = 0;
  #sinceMs: number;
  #halves = { current: { calls: 0, failures: 0 }, previous: { calls: 0, failures: 0 }, fromMs: 0 };
  #probing = 0;
  #succeeded = 0;

  constructor(limits: CircuitLimits, nowMs: number) {
    this.#limits = limits;
    this.#sinceMs = nowMs;
    this.#halves.fromMs = nowMs;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Null: not to be called now. */
  enter(nowMs: number): Pass | null {
    const { openMs, probes } = this.#limits;
    if (this.#state === 'closed') return this.#generation;
    // Probes that never come back, of an agent that hangs, are replaced as well.
    if (nowMs - this.#sinceMs >= openMs) this.#become('half-open', nowMs);
    if (this.#state === 'open' || this.#probing + this.#succeeded >= probes) return null;
    this.#probing += 1;
    return this.#generation;
  }

  left(pass: Pass, outcome: Outcome, nowMs: number): void {
    if (pass !== this.#generation) return;
    if (this.#state === 'closed') this.#count(outcome, nowMs);
    else this.#tried(outcome, nowMs);
  }

  #tried(outcome: Outcome, nowMs: number): void {
    this.#probing -= 1;
    if (outcome === 'failed') this.#become('open', nowMs);
    else if (outcome === 'succeeded') {
      this.#succeeded += 1;
      if (this.#succeeded >= this.#limits.probes) this.#become('closed', nowMs);
    }
  }

  #count(outcome: Outcome, nowMs: number): void {
    if (outcome === 'nothing') return;
    const { failureShare, minCalls, windowMs } = this.#limits;
    const halves = this.#halves;
    const passed = nowMs - halves.fromMs;
    if (passed >= windowMs / 2) {
      halves.previous = passed >= windowMs ? { calls: 0, failures: 0 } : halves.current;
      halves.current = { calls: 0, failures: 0 };
      halves.fromMs = nowMs;
    }
    halves.current.calls += 1;
    if (outcome === 'failed') halves.current.failures += 1;
    const calls = halves.current.calls + halves.previous.calls;
    const failures = halves.current.failures + halves.previous.failures;
    if (calls >= minCalls && failures >= calls * failureShare) this.#become('open', nowMs);
  }

  #become(state: 'closed' | 'open' | 'half-open', nowMs: number): void {
    this.#state = state;
    this.#generation += 1;
    this.#sinceMs = nowMs;
    this.#probing = 0;
    this.#succeeded = 0;
    this.#halves = { current: { calls: 0, failures: 0 }, previous: { calls: 0, failures: 0 }, fromMs: nowMs };
  }
}
