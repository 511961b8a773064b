/**
 * Waiting for one of several equal servers: connections of a pool, workers of a queue.
 * Times are in whatever unit the hold time is given in; loads are in erlangs (arrival rate x hold time).
 */

export interface Queue {
  readonly servers: number;
  /** Mean number of servers in use: arrival rate times mean hold time. */
  readonly loadErlangs: number;
  readonly meanHoldMs: number;
  /** Squared coefficient of variation of the hold time: 0 constant, 1 exponential. */
  readonly holdCv2: number;
  /**
   * Variance-to-mean ratio of the servers that would be busy were there enough of them. 1 for
   * independent (Poisson) arrivals, (n + 1) / 2 for bursts of n at once, below 1 where callers wait
   * for each other.
   */
  readonly peakedness: number;
}

/**
 * Probability that an arrival must wait in M/M/c (Erlang 1917). `servers` may be fractional, which
 * Hayward's approximation needs. 1 where the load is not below the number of servers.
 */
export function erlangC(servers: number, loadErlangs: number): number {
  if (loadErlangs >= servers) return 1;
  if (loadErlangs <= 0) return 0;
  const blocked = erlangB(servers, loadErlangs);
  return (servers * blocked) / (servers - loadErlangs * (1 - blocked));
}

/**
 * Mean wait in G/G/c: M/M/c's, scaled by the mean variability of arrivals and hold times
 * (Allen, Probability, Statistics and Queueing Theory, 1990; Cunneen's correction). Infinite where
 * the load is not below the number of servers.
 */
export function allenCunneen(queue: {
  readonly servers: number;
  readonly loadErlangs: number;
  readonly meanHoldMs: number;
  readonly arrivalCv2: number;
  readonly holdCv2: number;
}): number {
  const { servers, loadErlangs, meanHoldMs, arrivalCv2, holdCv2 } = queue;
  if (loadErlangs >= servers) return Number.POSITIVE_INFINITY;
  const markovianMs = (erlangC(servers, loadErlangs) * meanHoldMs) / (servers - loadErlangs);
  return (markovianMs * (arrivalCv2 + holdCv2)) / 2;
}

/**
 * Share of arrivals that wait when arrivals come in bursts: Hayward's approximation treats c servers
 * under load a of peakedness z as c/z servers under a/z of independent arrivals (Fredericks, Bell
 * System Technical Journal 59, 1980).
 */
export function waitingShare({ servers, loadErlangs, peakedness }: Queue): number {
  return erlangC(servers / peakedness, loadErlangs / peakedness);
}

/** Mean wait of an arrival, those that do not wait included. */
export function meanWaitMs({ servers, loadErlangs, meanHoldMs, holdCv2, peakedness }: Queue): number {
  return allenCunneen({ servers: servers / peakedness, loadErlangs: loadErlangs / peakedness, meanHoldMs, holdCv2, arrivalCv2: 1 });
}

/** Share of arrivals that wait longer than `budgetMs`: among those that wait, the wait is taken as exponential. */
export function waitBeyondShare(queue: Queue, budgetMs: number): number {
  const waiting = waitingShare(queue);
  if (waiting === 0 || queue.loadErlangs >= queue.servers) return waiting;
  return waiting * Math.exp((-budgetMs * waiting) / meanWaitMs(queue));
}

/** Fewest servers with which less than `exceedingShare` of the arrivals wait longer than the budget; null above `mostServers`. */
export function fewestServers(queue: Queue, budgetMs: number, exceedingShare: number, mostServers: number): number | null {
  for (let servers = Math.floor(queue.loadErlangs) + 1; servers <= mostServers; servers += 1) {
    if (waitBeyondShare({ ...queue, servers }, budgetMs) < exceedingShare) return servers;
  }
  return null;
}

/**
 * The peakedness at which `figure` (which rises with it) takes the measured value; the nearest end
 * of 1/20 to 1000 where none does.
 */
export function fitPeakedness(queue: Omit<Queue, 'peakedness'>, figure: (queue: Queue) => number, measured: number): number {
  let [low, high] = [Math.log(1 / 20), Math.log(1000)];
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (figure({ ...queue, peakedness: Math.exp(middle) }) < measured) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/**
 * Mean delay that stretches of a blocked single server add to whoever arrives at random: the rate of
 * stretches times the mean of their squares over two (the residual life of M/G/1, Kleinrock I, 5.2).
 */
export function residualDelayMs(stretchesPerSecond: number, meanSquareMs2: number): number {
  return ((stretchesPerSecond / 1000) * meanSquareMs2) / 2;
}

/**
 * Erlang's loss formula for real numbers of servers: 1/B(x+1, a) = 1 + (x+1)/a * 1/B(x, a), begun at
 * the fraction with the integral form 1/B(x, a) = ∫ e^-u (1 + u/a)^x du (Jagerman 1974).
 */
function erlangB(servers: number, loadErlangs: number): number {
  const fraction = servers - Math.floor(servers);
  let inverse = fraction === 0 ? 1 : inverseErlangB(fraction, loadErlangs);
  for (let x = fraction + 1; x <= servers + 1e-9; x += 1) inverse = 1 + (x / loadErlangs) * inverse;
  return 1 / inverse;
}

/** Simpson's rule over u = s², which flattens the corner at zero; e^-49 of the integral is left out. */
function inverseErlangB(fraction: number, loadErlangs: number): number {
  const steps = 400;
  const width = 7 / steps;
  const integrand = (s: number) => 2 * s * Math.exp(-s * s) * (1 + (s * s) / loadErlangs) ** fraction;
  let sum = integrand(0) + integrand(7);
  for (let step = 1; step < steps; step += 1) sum += integrand(step * width) * (step % 2 === 1 ? 4 : 2);
  return (sum * width) / 3;
}
