import { setTimeout as sleep } from 'node:timers/promises';
import { activeIntervalsMs, arrivalsOf, isOpen, mostVus, type ClosedExecutor, type OpenExecutor } from './arrival-schedule.ts';
import { judgeAnswer } from './answer-checks.ts';
import { paceArrivals, type SchedulePrecision } from './arrival-pacer.ts';
import { headersFor, planIteration, type CompiledWorkload, type IterationPlan } from './compiled-workload.ts';
import { threadCpuMs } from './generator-cpu.ts';
import type { HttpClient } from './http-client.ts';
import { LoadRecorder, unfinished, type RunPart } from './load-recorder.ts';
import type { Executor } from './workload.ts';

export interface RunPlan {
  readonly executor: Executor;
  readonly durationMs: number;
  readonly seed: number;
  readonly precision: SchedulePrecision;
  readonly inFlightCap: number;
  /** Whether requests that failed are in the times. */
  readonly timesFailures: boolean;
  /** Who sends: see `RunOptions`. */
  readonly clients: string;
  /** How long after the window answers are waited for. */
  readonly drainMs: number;
  /** This thread takes the iterations (or virtual users) `index`, `index + of`, `index + 2 of` ... of the one schedule. */
  readonly share: { readonly index: number; readonly of: number };
}

export interface LoadTarget {
  readonly workload: CompiledWorkload;
  readonly client: HttpClient;
  /** Bearer tokens of the opened sessions. */
  readonly tokens: readonly string[];
}

/**
 * Runs one window from `startAt` (`performance.now()`) on. Resolves when every iteration has ended,
 * also after an abort: then early, and with what was seen until then.
 */
export async function runLoad(
  target: LoadTarget,
  plan: RunPlan,
  startAt: number,
  signal: AbortSignal,
  watch?: (recorder: LoadRecorder) => void,
): Promise<RunPart> {
  const recorder = new LoadRecorder(target.workload.stepNames, startAt, plan.timesFailures);
  watch?.(recorder);
  target.client.sendAs(plan.clients);
  const stop = new AbortController();
  const onAbort = () => {
    stop.abort();
    target.client.abandon('ABORTED');
  };
  signal.addEventListener('abort', onAbort);
  const cpuBefore = threadCpuMs();
  const run: Run = { target, plan, startAt, recorder, stop: stop.signal };
  const drained = setTimeout(
    () => {
      stop.abort();
      target.client.abandon(unfinished);
    },
    startAt - performance.now() + plan.durationMs + plan.drainMs,
  );
  try {
    if (signal.aborted) onAbort();
    const spunMs = isOpen(plan.executor) ? await runOpen(run, plan.executor) : await runClosed(run, plan.executor);
    await sleepUntil(startAt + plan.durationMs, stop.signal);
    return recorder.toPart(Math.max(threadCpuMs() - cpuBefore - spunMs, 0));
  } finally {
    clearTimeout(drained);
    signal.removeEventListener('abort', onAbort);
  }
}

interface Run {
  readonly target: LoadTarget;
  readonly plan: RunPlan;
  readonly startAt: number;
  readonly recorder: LoadRecorder;
  /** Aborted when no further request may be sent. */
  readonly stop: AbortSignal;
}

/** Iterations start when they are due, whatever became of the earlier ones. Gives the milliseconds spun. */
async function runOpen(run: Run, executor: OpenExecutor): Promise<number> {
  const { target, plan, startAt, recorder } = run;
  const running = new Set<Promise<unknown>>();
  const pacing = { precision: plan.precision, startAt, signal: run.stop, activity: () => recorder.activity };
  let number = plan.share.index;
  const spunMs = await paceArrivals(
    everyNth(arrivalsOf(executor, plan.durationMs, plan.seed), plan.share),
    pacing,
    (dueAt, { recorded }) => {
      recorder.plannedIterations += 1;
      if (recorder.inFlight >= plan.inFlightCap) {
        recorder.droppedIterations += 1;
      } else {
        const stream = `iteration/${number}`;
        const iteration = planIteration(target.workload, plan.seed, { stream, number, recorded }, target.tokens.length);
        const ended = runIteration(run, iteration, dueAt).finally(() => running.delete(ended));
        running.add(ended);
      }
      number += plan.share.of;
    },
  );
  await Promise.all(running);
  return spunMs;
}

/** A closed model: a user sends its next request after the last answer, so a slow target gets less load, and latency counts from the send. */
async function runClosed(run: Run, executor: ClosedExecutor): Promise<number> {
  const users: Promise<void>[] = [];
  for (let user = run.plan.share.index; user < mostVus(executor); user += run.plan.share.of) users.push(runUser(run, executor, user));
  await Promise.all(users);
  return 0;
}

async function runUser(run: Run, executor: ClosedExecutor, user: number): Promise<void> {
  const { target, plan, startAt, recorder } = run;
  const session = target.tokens.length === 0 ? 0 : user % target.tokens.length;
  let round = 0;
  for (const { startMs, endMs } of activeIntervalsMs(executor, user, plan.durationMs)) {
    let readyAt = startAt + startMs;
    while (readyAt < startAt + endMs && !run.stop.aborted) {
      await sleepUntil(readyAt, run.stop);
      const dueAt = performance.now();
      if (dueAt >= startAt + endMs || run.stop.aborted) break;
      const number = round * mostVus(executor) + user;
      const iteration = planIteration(target.workload, plan.seed, { stream: `user/${user}/${round}`, number }, target.tokens.length);
      recorder.plannedIterations += 1;
      readyAt = await runIteration(run, { ...iteration, session }, dueAt);
      round += 1;
      await connectionFree();
    }
  }
}

/** Sends the scenario's steps one after the other. Gives the time at which its user has thought to the end. */
async function runIteration(run: Run, iteration: IterationPlan, dueAt: number): Promise<number> {
  const { recorder, stop } = run;
  recorder.startedIterations += 1;
  let { values } = iteration;
  let stepDueAt = dueAt;
  let onSchedule = isOpen(run.plan.executor);
  for (const step of iteration.scenario.steps) {
    if (step !== iteration.scenario.steps[0]) await connectionFree();
    if (stepDueAt > performance.now()) await sleepUntil(stepDueAt, stop);
    if (stop.aborted) break;
    const request = {
      method: step.method,
      path: step.path.render(values),
      headers: headersFor(step, iteration.session, run.target.tokens),
      body: step.body?.render(values) ?? null,
    };
    const sentAt = performance.now();
    recorder.sent(sentAt, stepDueAt, onSchedule);
    const answer = await run.target.client.send(request, step.needsBody);
    const judgement = judgeAnswer(step, answer);
    recorder.ended(step.nameIndex, { dueAt: stepDueAt, sentAt }, answer, judgement);
    stepDueAt = answer.endedAt + step.thinkTimeMs;
    onSchedule = step.thinkTimeMs > 0;
    if (judgement.captured === null) break;
    if (step.captures.length > 0) values = { ...values, ...judgement.captured };
  }
  return stepDueAt;
}

/**
 * undici uses a connection again from the next turn of the event loop on. A user that sends at once
 * would open a second connection, which no client of its kind has; and what fails without any waiting
 * would keep the event loop from its turns.
 */
async function connectionFree(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Returns early when `stop` aborts. */
async function sleepUntil(at: number, stop: AbortSignal): Promise<void> {
  while (performance.now() < at && !stop.aborted) {
    await sleep(Math.max(at - performance.now(), 1), undefined, { signal: stop }).catch(() => undefined);
  }
}

function* everyNth<T>(items: Iterable<T>, share: RunPlan['share']): Generator<T, void> {
  let position = 0;
  for (const item of items) {
    if (position % share.of === share.index) yield item;
    position += 1;
  }
}
