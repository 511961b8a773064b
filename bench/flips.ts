/** What a server that flips observation in itself, the agent it loads and the bench that orders it agree on. */

/** Where `agent-flipped.ts` leaves the observer. */
export const flippedObserver = Symbol.for('anneal.bench.observer');

/**
 * Long beside a request of some ms, so that few are observed in part; short beside what makes a shared machine faster and
 * slower. Slices of 0.2 s and of 3 s are equally noisy here: only neighbours in time are alike.
 */
export const flipMs = 100;

/** A few of those requests: what was under way at a flip is answered by then, and not counted. */
export const flipSettlesMs = 20;
