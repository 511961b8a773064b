import { availableParallelism } from 'node:os';
import { AnnealError } from '../errors.ts';
import type { SchedulePrecision } from './arrival-pacer.ts';
import { compileWorkload } from './compiled-workload.ts';
import { readCpuTicks, stealShare } from './generator-cpu.ts';
import { generatorOnThread } from './generator-thread.ts';
import { httpClient } from './http-client.ts';
import { generatorHere, monotonicMs, type LoadGenerator, type Tally } from './load-generator.ts';
import { mergeParts, type RunPart } from './load-recorder.ts';
import type { LoadResult } from './load-result.ts';
import type { RunPlan } from './load-run.ts';
import { judgeWindow } from './load-validity.ts';
import { openSessions } from './login.ts';
import { patient } from './refusals.ts';
import { replayIterations, type ReplayedAnswer, type ReplayOptions } from './replay.ts';
import { validateExecutor, validateWorkload } from './workload-problems.ts';
import type { Executor, Workload } from './workload.ts';

export interface LoadOptions {
  /** Origin and, when the backend lives below one, a path: `http://127.0.0.1:3000/api`. */
  readonly baseUrl: string;
  /** Draws the login requests. Default: the workload's. */
  readonly seed?: number;
  /** Aborts runs and replays under way, and ends the session's use. */
  readonly signal?: AbortSignal;
  /** Default: `cheap` on one or two cores, where spinning would take the target's CPU; else `precise`. */
  readonly schedule?: SchedulePrecision;
  /**
   * Requests in flight at once; an arrival beyond it is dropped. Default 500: with a connection each,
   * generator and target both stay below the common limit of 1024 open files.
   */
  readonly inFlightCap?: number;
  /** Bearer tokens of another session on the same data, instead of a login. */
  readonly sharedSessions?: readonly string[];
  /** Generator threads; default 1, in this one. More are needed when a run reports that the generator saturated. */
  readonly workers?: number;
  /** Raises the generator's scheduling priority during runs, where the system permits it. */
  readonly raisePriority?: boolean;
  /** A request without an answer for so long counts as failed. Default 60 s, as in k6. */
  readonly requestTimeoutMs?: number;
  /** Clients keep answers by their ETag and ask whether they still hold, as browsers do. Default false: every answer is sent whole. */
  readonly revalidates?: boolean;
  /** Whether requests that failed are in the times. Default true; what a policy refused never is. */
  readonly timesFailures?: boolean;
  /** How long after a window its last answers are waited for. Default 30 s, k6's gracefulStop. */
  readonly drainMs?: number;
}

export interface RunOptions {
  readonly durationMs: number;
  /** The same seed sends the same requests at the same times, captured values excepted. */
  readonly seed: number;
  /** Instead of the workload's. */
  readonly executor?: Executor;
  /** Where clients revalidate: those of each name keep what they were given themselves. Default: all runs have the same. */
  readonly clients?: string;
  /** Called twice a second by each generator thread. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadProgress extends Tally {
  readonly elapsedMs: number;
  readonly durationMs: number;
}

/** Connections and logins stay warm from run to run. One run or replay at a time. */
export interface LoadSession extends AsyncDisposable {
  /** The bearer tokens, for the `sharedSessions` of another arm. Never to be logged. */
  readonly sessions: readonly string[];
  /** One window. Whatever the target does is in the result; rejects only with the signal's reason, or ANNEAL_WORKLOAD_INVALID for its executor. */
  run(options: RunOptions): Promise<LoadResult>;
  /** The answers to the seed's iterations, sent one after the other, for comparing two arms. */
  replay(options: ReplayOptions): Promise<readonly ReplayedAnswer[]>;
  close(): Promise<void>;
}

/** What waiting for a limit may cost one replay, or the logins of one arm. */
const patienceMs = 60_000;

/** Throws ANNEAL_WORKLOAD_EMPTY, ANNEAL_WORKLOAD_INVALID (with all problems), ANNEAL_LOGIN_FAILED, or the signal's reason. */
export async function openLoad(workload: Workload, options: LoadOptions): Promise<LoadSession> {
  refuseInvalid(workload);
  const {
    baseUrl,
    workers = 1,
    raisePriority = false,
    revalidates = false,
    inFlightCap = 500,
    requestTimeoutMs: timeoutMs = 60_000,
  } = options;
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();

  const client = httpClient(baseUrl, { connections: inFlightCap, timeoutMs, revalidates });
  const patientClient = () => patient(client, patienceMs, signal);
  const generators: LoadGenerator[] = [];
  const onAbort = () => {
    client.abandon('ABORTED');
    for (const generator of generators) generator.stop();
  };
  const close = async () => {
    signal.removeEventListener('abort', onAbort);
    await Promise.all([client.close(), ...generators.map((generator) => generator.close())]);
  };
  signal.addEventListener('abort', onAbort);
  try {
    const tokens = options.sharedSessions ?? (await openSessions(workload, patientClient(), options.seed ?? workload.seed));
    const target = { workload: compileWorkload(workload), client, tokens };
    const capPerGenerator = Math.ceil(inFlightCap / workers);
    if (workers === 1) {
      generators.push(generatorHere(target, { raisePriority }));
    } else {
      const setup = { workload, tokens, baseUrl, connections: capPerGenerator, timeoutMs, revalidates, raisePriority };
      generators.push(...(await Promise.all(Array.from({ length: workers }, () => generatorOnThread(setup)))));
    }
    signal.throwIfAborted();
    return {
      sessions: tokens,
      async run({ executor = workload.executor, durationMs, seed, clients = '', onProgress }) {
        refuseInvalidExecutor(workload, executor);
        signal.throwIfAborted();
        const result = await runWindow(
          generators,
          {
            executor,
            durationMs,
            seed,
            precision: options.schedule ?? (availableParallelism() <= 2 ? 'cheap' : 'precise'),
            inFlightCap: capPerGenerator,
            timesFailures: options.timesFailures ?? true,
            clients,
            drainMs: options.drainMs ?? 30_000,
          },
          onProgress,
        );
        signal.throwIfAborted();
        return result;
      },
      replay: (replay) => replayIterations({ ...target, client: patientClient() }, replay, signal),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    signal.throwIfAborted();
    throw error;
  }
}

async function runWindow(
  generators: readonly LoadGenerator[],
  plan: Omit<RunPlan, 'share'>,
  onProgress: RunOptions['onProgress'],
): Promise<LoadResult> {
  const { durationMs } = plan;
  const ticksBefore = await readCpuTicks();
  // Other threads need a moment to hear of it: an order passes in well under this.
  const startAtMs = monotonicMs() + (generators.length > 1 ? 20 : 0);
  const startedAt = new Date().toISOString();
  const tallies = generators.map((): Tally => ({ requests: 0, failedRequests: 0, droppedIterations: 0, inFlight: 0 }));
  const parts = await Promise.all(
    generators.map((generator, index) =>
      generator.run({ ...plan, share: { index, of: generators.length } }, startAtMs, (tally) => {
        tallies[index] = tally;
        onProgress?.({ ...addTallies(tallies), elapsedMs: monotonicMs() - startAtMs, durationMs });
      }),
    ),
  );
  const steal = stealShare(ticksBefore, await readCpuTicks());
  return loadResult(startedAt, plan, mergeParts(parts), steal);
}

function loadResult(startedAt: string, plan: Omit<RunPlan, 'share'>, part: RunPart, steal: number | null): LoadResult {
  const elapsedMs = Math.max(plan.durationMs, part.lastEndedMs);
  const meanInFlight = part.inFlightMs / elapsedMs;
  const generatorCpuShare = part.cpuMs / elapsedMs;
  return {
    startedAt,
    durationMs: elapsedMs,
    plannedIterations: part.plannedIterations,
    startedIterations: part.startedIterations,
    droppedIterations: part.droppedIterations,
    requests: part.requests,
    failedRequests: part.failedRequests,
    ...(part.refusedRequests === 0 ? {} : { refusedRequests: part.refusedRequests }),
    checks: part.checks,
    failedChecks: part.failedChecks,
    requestsPerSecond: part.requests / (elapsedMs / 1000),
    responseTimeUs: part.responseTimeUs,
    serviceTimeUs: part.serviceTimeUs,
    sendLagUs: part.sendLagUs,
    steps: part.steps,
    validity: judgeWindow({
      executor: plan.executor,
      windowMs: plan.durationMs,
      elapsedMs,
      part,
      meanInFlight,
      generatorCpuShare,
      stealShare: steal,
    }),
    meanInFlight,
    generatorCpuShare,
  };
}

function addTallies(tallies: readonly Tally[]): Tally {
  const sum = (figure: (tally: Tally) => number) => tallies.reduce((total, tally) => total + figure(tally), 0);
  return {
    requests: sum((tally) => tally.requests),
    failedRequests: sum((tally) => tally.failedRequests),
    droppedIterations: sum((tally) => tally.droppedIterations),
    inFlight: sum((tally) => tally.inFlight),
  };
}

function refuseInvalid(workload: Workload): void {
  const { name } = workload;
  if (!workload.scenarios.some((scenario) => scenario.weight > 0 && scenario.steps.length > 0)) {
    throw new AnnealError('ANNEAL_WORKLOAD_EMPTY', { name, problem: 'no scenario has a weight and a step' });
  }
  const problems = validateWorkload(workload);
  if (problems.length > 0) throw new AnnealError('ANNEAL_WORKLOAD_INVALID', { name, problem: problems.join('; ') });
}

function refuseInvalidExecutor(workload: Workload, executor: Executor): void {
  const problems = validateExecutor(executor);
  if (problems.length > 0) throw new AnnealError('ANNEAL_WORKLOAD_INVALID', { name: workload.name, problem: problems.join('; ') });
}
