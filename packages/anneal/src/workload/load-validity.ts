import { quantileUs } from '../stats/histogram.ts';
import { isOpen } from './arrival-schedule.ts';
import type { LoadValidity } from './load-result.ts';
import type { RunPart } from './load-recorder.ts';
import type { Executor } from './workload.ts';

export interface WindowFacts {
  readonly executor: Executor;
  /** What was asked for. */
  readonly windowMs: number;
  /** From the start to the last answer, at least the window. */
  readonly elapsedMs: number;
  readonly part: RunPart;
  readonly meanInFlight: number;
  /** CPU of the busiest generator thread, share of one core. */
  readonly generatorCpuShare: number;
  /** Null where the system does not tell. */
  readonly stealShare: number | null;
}

/** Whether the window says something about the target rather than about the generator and its machine. */
export function judgeWindow(facts: WindowFacts): LoadValidity {
  const { part, windowMs } = facts;
  const open = isOpen(facts.executor);
  const allSent = part.startedIterations === part.plannedIterations;
  const shortfall = open ? shortfallProblem(part, windowMs) : null;
  const spoilt = [
    open ? dropProblem(part) : null,
    allSent ? null : shortfall,
    unfinishedProblem(part.unfinishedRequests),
    cpuProblem(facts.generatorCpuShare),
  ];
  const timing = [open ? lagProblem(part) : null, allSent ? shortfall : null, stealProblem(facts.stealShare), littleProblem(facts)];
  const timingProblems = timing.filter((problem) => problem !== null);
  const problems = [...spoilt.filter((problem) => problem !== null), ...timingProblems];
  return { valid: problems.length === 0, problems, timingProblems };
}

/**
 * Lateness of 5 ms is where measured tail latency began to be the generator's own; a slow target
 * forgives a tenth of its median. The median is of the service time, in which the lag itself is not.
 */
function lagProblem({ sendLagUs, serviceTimeUs }: RunPart): string | null {
  const lagMs = quantileUs(sendLagUs, 0.99) / 1000;
  const limitMs = Math.max(5, quantileUs(serviceTimeUs, 0.5) / 10_000);
  return lagMs > limitMs ? `send lag p99 ${rounded(lagMs)} ms exceeds ${rounded(limitMs)} ms` : null;
}

/** One in a thousand: above it the p99.9 is certainly, and the p99 visibly, that of a thinner load. */
function dropProblem({ droppedIterations, plannedIterations }: RunPart): string | null {
  if (droppedIterations <= 0.001 * plannedIterations) return null;
  const share = percent(droppedIterations / plannedIterations);
  return `${droppedIterations} of ${plannedIterations} iterations (${share}) were dropped at the in-flight cap, limit 0.1 %`;
}

/** The rate over the time that sending really took: arrivals that were sent late, after the window, lower it. */
function shortfallProblem({ startedIterations, plannedIterations, lastSentMs }: RunPart, windowMs: number): string | null {
  if (plannedIterations === 0) return null;
  const achieved = startedIterations / Math.max(windowMs, lastSentMs) / (plannedIterations / windowMs);
  return achieved < 0.99 ? `the generator achieved ${percent(achieved)} of the planned rate, limit 99 %` : null;
}

function unfinishedProblem(unfinishedRequests: number): string | null {
  return unfinishedRequests > 0 ? `${unfinishedRequests} request(s) had no answer when the drain time ended` : null;
}

/** Beyond 80 % of its core a single-threaded generator queues its own answers (waiting grows as ρ / (1 - ρ)). */
function cpuProblem(share: number): string | null {
  return share > 0.8 ? `the generator used ${percent(share)} of a core, limit 80 %` : null;
}

function stealProblem(share: number | null): string | null {
  return share !== null && share > 0.02 ? `the hypervisor took ${percent(share)} of the CPU (steal), limit 2 %` : null;
}

/**
 * Little's law, L = λ·W, as a check of the instrument: L comes from the in-flight counter with clock
 * readings of its own, λ and W from the recorded requests. Over a whole window, which begins and ends
 * empty, they agree exactly; 5 % leaves room for the moments between the two clock readings of each
 * request. Below 200 requests a single preemption between them could be that much.
 */
function littleProblem({ part, elapsedMs, meanInFlight }: WindowFacts): string | null {
  if (part.requests < 200) return null;
  // Those in no histogram were in flight all the same.
  const expected = (part.serviceTimeUs.sum / 1000 + part.untimedMs) / elapsedMs;
  if (Math.abs(meanInFlight - expected) <= 0.05 * expected) return null;
  return `${rounded(meanInFlight)} requests were in flight on average, rate times latency gives ${rounded(expected)}: more than 5 % apart`;
}

function percent(share: number): string {
  return `${rounded(share * 100)} %`;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
