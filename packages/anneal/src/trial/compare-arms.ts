import { AnnealError, type ErrorCode } from '../errors.ts';
import type { Arm as ArmName, Probe, ProbeContext } from '../measurement/measurement.ts';
import { refuseUselessLoad } from '../measurement/measure.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import { ArmChanges } from './arm-changes.ts';
import type { ActContext, Cost } from '../remedy/remedy.ts';
import { Histogram, type HistogramData } from '../stats/histogram.ts';
import { seededRandom } from '../stats/random.ts';
import { openLoad, type LoadSession } from '../workload/load-session.ts';
import type { ReplayedAnswer } from '../workload/replay.ts';
import type { LoadResult } from '../workload/load-result.ts';
import type { Target } from '../target/target.ts';
import type { Workload } from '../workload/workload.ts';
import { onArm, openArms, type TrialArm, type TrialContext } from './arms.ts';
import { underIntent } from './intent.ts';
import { judgeRound, planRound } from './interleave.ts';
import { whyNoPolicy } from './one-process.ts';
import { keptRounds } from './paired-evidence.ts';
import type { TriedChange } from './planned-change.ts';
import { pauseBetweenSlicesMs, policyExpiryMs } from './policy-terms.ts';
import { fromActualSend, takeSlice, type SliceSource, type RouteGroup, type StatementGroup, type TakenSlice } from './slice.ts';
import { neverActed, readsTogether, switchPolicies, wronglySwitched } from './toggling.ts';
import type { Distribution, Round } from './trial.ts';

/** What every comparison of a run shares. */
export interface Bench {
  readonly context: TrialContext;
  readonly workload: Workload;
  readonly sqlParser: SqlParser;
  /** Counts the statements of one database on the server; null when the target has none. */
  readonly statementProbe: Probe | null;
  readonly sliceMs: number;
  readonly warmupRounds: number;
  readonly answers: number;
  readonly seed: number;
}

export interface ComparisonRequest {
  /** Tells the random streams of comparisons apart. */
  readonly label: string;
  /** What each arm receives a copy of; null when the target has no database. */
  readonly baseDatabase: string | null;
  /** What was kept before: on both arms. */
  readonly standing: readonly TriedChange[];
  /** What the candidate has and the baseline has not. */
  readonly changes: readonly TriedChange[];
  readonly groups: readonly StatementGroup[];
  readonly routeGroups?: readonly RouteGroup[];
  /**
   * Policies that the candidate's slices have on and the baseline's off, in one process: the candidate's. Answers are compared on
   * two all the same, since what a request writes is there for the next one. None: the noise floor of such slices.
   */
  readonly toggled?: readonly string[];
  /** Whether everything is measured of answers given, because requests may be refused. Default: where one of the changes refuses. */
  readonly refuses?: boolean;
  readonly mostRounds: number;
  /** Asked after each kept round with all rounds so far, dropped ones included, and the answers of both arms; true ends the comparison. */
  readonly isDecided: (rounds: readonly Round[], answers: AnswersCompared) => boolean;
}

export interface AnswersCompared {
  readonly baseline: readonly ReplayedAnswer[];
  readonly candidate: readonly ReplayedAnswer[];
}

export interface ArmsCompared {
  readonly rounds: readonly Round[];
  readonly answers: AnswersCompared;
  readonly distributions: readonly Distribution[];
  /** By change id, measured on the candidate after the last slice. */
  readonly costs: ReadonlyMap<string, Cost>;
  /** Why there was nothing to compare: a toggled policy ended or never acted, or it acts in one process of several; null where there was. */
  readonly ended: string | null;
  /** What kept the arms from being alike, as sentences for the reader. */
  readonly reservations: readonly string[];
}

interface RunningArm extends AsyncDisposable {
  readonly arm: TrialArm;
  readonly load: LoadSession;
  readonly source: SliceSource;
  readonly act: ActContext;
}

/**
 * Starts two arms, changes the candidate, compares answers on the untouched copies, then runs shuffled
 * rounds of slices with the same requests on both until `isDecided` or `mostRounds`.
 * Both arms are gone when it returns, whatever happens.
 *
 * Throws ANNEAL_CHANGE_BREAKS_TARGET when only the arm that has the changes does not start, crashes or fails.
 */
export async function compareArms(bench: Bench, request: ComparisonRequest): Promise<ArmsCompared> {
  try {
    return await compare(bench, request);
  } catch (error) {
    const isBroken = error instanceof AnnealError && breakages.has(error.code) && error.details['arm'] === 'candidate';
    if (!isBroken || request.changes.length === 0) throw error;
    const change = request.changes.map(({ description }) => description.title).join(' and ');
    throw new AnnealError('ANNEAL_CHANGE_BREAKS_TARGET', { change, problem: error.message }, { cause: error });
  }
}

/** The baseline is started and loaded first or in turn, so what was wrong with both has shown there. */
const breakages: ReadonlySet<ErrorCode> = new Set([
  'ANNEAL_TARGET_EXITED',
  'ANNEAL_TARGET_UNREACHABLE',
  'ANNEAL_TARGET_CRASHED',
  'ANNEAL_TARGET_FAILING',
]);

async function compare(bench: Bench, request: ComparisonRequest): Promise<ArmsCompared> {
  const { clock, progress, signal } = { ...bench.context, ...bench.context.outside };
  const changesOf = (arm: ArmName) => (arm === 'baseline' ? request.standing : [...request.standing, ...request.changes]);
  await using arms = await openArms(bench.context, {
    baseDatabase: request.baseDatabase,
    roles: ['baseline', 'candidate'],
    withAgent: bench.context.target.traces === undefined,
    launch: (arm) => launchOf(bench, changesOf(arm)),
    beforeStart: (arm, sql) => applyAll(bench.context, changesOf(arm).filter(needsNewSessions), { sql, agent: null, signal }),
  });
  const revalidates = request.changes.some(({ remedy }) => remedy.clientsRevalidate === true);
  const refuses = request.refuses ?? changesOf('candidate').some(({ remedy }) => remedy.refuses === true);
  const clients = { revalidates, timesFailures: !refuses };
  const expiresAfterMs = policyExpiryMs(bench, request.mostRounds);
  if (changesOf('candidate').some(({ scope }) => scope === 'process')) await likeOneWithPolicies(arms.get('baseline'));
  await using baseline = await prepare(bench, arms.get('baseline'), changesOf('baseline'), { clients, expiresAfterMs });
  await using candidate = await prepare(bench, arms.get('candidate'), changesOf('candidate'), { clients, expiresAfterMs });

  progress.update(null, 'comparing answers');
  // A policy may answer several requests at once: equal reads are sent together, as none of them would be one after the other.
  const copies = request.toggled === undefined ? 1 : readsTogether;
  const replay = { count: bench.answers, seed: bench.seed, steps: 'all', copies } as const;
  const [baselineAnswers, candidateAnswers] = await Promise.all([baseline.load.replay(replay), candidate.load.replay(replay)]);

  const answers: AnswersCompared = { baseline: baselineAnswers, candidate: candidateAnswers };
  const rounds: Round[] = [];
  const distributions = new Distributions();
  const acted = new Set<string>();
  // Workers that the measurement did not see yet have come by now.
  const others = request.changes.some(({ scope }) => scope === 'process') ? (candidate.act.agent?.othersUnseen() ?? 0) : 0;
  let ended = whyNoPolicy(others);
  const orderSeed = seededRandom(bench.seed, request.label).integer(0, 2 ** 31 - 1);
  for (let index = -bench.warmupRounds; ended === null && keptRounds(rounds).length < request.mostRounds; index += 1) {
    signal.throwIfAborted();
    const planned = planRound(orderSeed, index + bench.warmupRounds);
    const order = planned.first === 'baseline' ? (['baseline', 'candidate'] as const) : (['candidate', 'baseline'] as const);
    const taken = new Map<ArmName, TakenSlice>();
    for (const side of order) {
      const arm = side === 'candidate' || request.toggled !== undefined ? candidate : baseline;
      ended ??= await switchPolicies(arm.act.agent, request.toggled ?? [], side === 'candidate');
      await clock.sleep(pauseBetweenSlicesMs, signal);
      const slice = await takeSlice(
        arm.source,
        // Each state has clients of its own: they remember what it gave them, and nothing of the other.
        { durationMs: bench.sliceMs, seed: planned.arrivalSeed, clients: side, refuses },
        request.groups,
        request.routeGroups,
      );
      const { refusedRequests = slice.load.refusedRequests ?? 0 } = slice.slice;
      await onArm(arm.arm.arm, () => refuseUselessLoad({ ...slice.load, refusedRequests }, arm.arm.target.crashed()));
      taken.set(side, slice);
      for (const id of side === 'candidate' ? slice.policiesActed : []) acted.add(id);
    }
    if (ended !== null) break;
    if (index < 0) continue;
    const [ofBaseline, ofCandidate] = [taken.get('baseline')!, taken.get('candidate')!];
    const judged = judgeRound(ofBaseline.load, ofCandidate.load);
    const judgement = { ...judged, dropped: [...judged.dropped, ...wronglySwitched(request.toggled ?? [], ofBaseline, ofCandidate)] };
    const sliceOf = (taken: TakenSlice) => (judgement.late.length > 0 ? fromActualSend(taken) : taken.slice);
    rounds.push({ index, first: planned.first, baseline: sliceOf(ofBaseline), candidate: sliceOf(ofCandidate), ...judgement });
    const kept = keptRounds(rounds);
    progress.update(kept.length / request.mostRounds, `round ${kept.length} of at most ${request.mostRounds}`);
    if (judgement.dropped.length === 0) {
      distributions.add(ofBaseline.load, ofCandidate.load, judgement.late.length > 0);
      if (request.isDecided(rounds, answers)) break;
    }
    if (rounds.length - kept.length > request.mostRounds) break;
  }

  ended ??= neverActed(request.toggled ?? [], acted);
  await switchPolicies(candidate.act.agent, request.toggled ?? [], true);
  const costs = new Map<string, Cost>();
  for (const change of request.changes) costs.set(change.id, await change.remedy.cost(change.plan, candidate.act));
  return {
    rounds,
    answers,
    distributions: distributions.all(),
    costs,
    ended,
    reservations: arms.reservations,
  };
}

/**
 * With its first policy the agent moves the conversation with Anneal to a thread of its own, some 14 MB. That is the trial's
 * doing and not the policy's: the other arm's agent is asked to end a policy that it never had, for which it moves as well.
 */
async function likeOneWithPolicies({ target }: TrialArm): Promise<void> {
  await target.agent?.revoke('none');
}

async function prepare(
  bench: Bench,
  arm: TrialArm,
  changes: readonly TriedChange[],
  {
    clients,
    expiresAfterMs,
  }: { readonly clients: { readonly revalidates: boolean; readonly timesFailures: boolean }; readonly expiresAfterMs: number },
): Promise<RunningArm> {
  const { outside, signal } = bench.context;
  const streams = arm.databaseUrl === null ? null : new ArmChanges(outside.changes, arm.databaseUrl);
  const act: ActContext = {
    sql: arm.sql,
    agent: arm.target.agent,
    signal,
    expiresAfterMs,
    ...(streams === null ? {} : { changes: streams.follow }),
  };
  await applyAll(
    bench.context,
    changes.filter((change) => !needsNewSessions(change)),
    act,
  );
  const context: ProbeContext = {
    sql: arm.sql,
    agent: arm.target.agent,
    processes: outside.processes,
    clock: outside.clock,
    sqlParser: bench.sqlParser,
    targetPid: arm.target.pid,
    workingDirectory: launchOf(bench, changes).workingDirectory,
  };
  const load = await openLoad(bench.workload, { baseUrl: arm.target.baseUrl, seed: bench.seed, signal, raisePriority: true, ...clients });
  return {
    arm,
    load,
    act,
    async [Symbol.asyncDispose]() {
      await streams?.close();
      await load.close();
    },
    source: { load, context, agent: arm.target.agent, statements: arm.sql === null ? null : bench.statementProbe },
  };
}

/** How the target is started with the changes, each on top of those before it. */
function launchOf({ context }: Bench, changes: readonly TriedChange[]): Target {
  return changes.reduce((target, { remedy, plan }) => remedy.launch?.(plan, target) ?? target, context.target);
}

/** A setting of the database counts for sessions that begin after it, and a pool begins with its process. */
function needsNewSessions({ remedy }: TriedChange): boolean {
  return remedy.scope === 'launch' || (remedy.scope === 'database' && remedy.effort === 'restart');
}

async function applyAll(context: TrialContext, changes: readonly TriedChange[], act: ActContext): Promise<void> {
  for (const change of changes) {
    await underIntent(context, { kind: 'apply', where: 'arm', trialId: change.id, remedyId: change.remedy.id, plan: change.plan }, () =>
      applied(change, act),
    );
  }
}

async function applied(change: TriedChange, act: ActContext): Promise<void> {
  try {
    await change.remedy.apply(change.plan, act);
  } catch (cause) {
    if (cause instanceof AnnealError) throw cause;
    throw new AnnealError(
      'ANNEAL_APPLY_FAILED',
      { remedy: change.description.title, problem: cause instanceof Error ? cause.message : String(cause) },
      { cause },
    );
  }
}

/** Subject of the histogram over all requests of the workload. */
export const wholeWorkload = 'the whole workload';

/** Latencies of both arms as rounds are judged by them, of the whole workload and by step, added up over rounds. */
class Distributions {
  readonly #histograms = new Map<string, { readonly baseline: Histogram; readonly candidate: Histogram }>();

  /** Of a round whose generator was late, from the actual send on. */
  add(baseline: LoadResult, candidate: LoadResult, isLate: boolean): void {
    const figure = isLate ? 'serviceTimeUs' : 'responseTimeUs';
    for (const [arm, load] of [
      ['baseline', baseline],
      ['candidate', candidate],
    ] as const) {
      this.#merge(wholeWorkload, arm, load[figure]);
      for (const step of load.steps) this.#merge(step.name, arm, step[figure]);
    }
  }

  all(): readonly Distribution[] {
    return [...this.#histograms].map(([subject, { baseline, candidate }]) => ({
      subject,
      baseline: baseline.toData(),
      candidate: candidate.toData(),
    }));
  }

  #merge(subject: string, arm: ArmName, data: HistogramData): void {
    const { precisionBits } = data;
    const pair = this.#histograms.get(subject) ?? { baseline: new Histogram(precisionBits), candidate: new Histogram(precisionBits) };
    this.#histograms.set(subject, pair);
    pair[arm].merge(data);
  }
}
