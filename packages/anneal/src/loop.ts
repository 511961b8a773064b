import { relative } from 'node:path';
import type { Settings } from './config.ts';
import { domains } from './domains/index.ts';
import { percent } from './finding/wording.ts';
import { diagnose, type Diagnosis } from './finding/diagnose.ts';
import type { Finding, Silence } from './finding/finding.ts';
import { rank } from './finding/rank.ts';
import { readSuppressions } from './finding/suppressions.ts';
import { measure, refuseUselessLoad, type Measured, type MeasureRequest } from './measurement/measure.ts';
import type { MetricId } from './prediction/prediction.ts';
import type { PlanningContext } from './remedy/remedy.ts';
import { scoreTrials } from './prediction/calibration.ts';
import { prescribePatches, writePatchesOf, type PlannedPatches } from './prescribe-patches.ts';
import { assemble, type RunResults } from './report/assemble.ts';
import { verdictWord } from './report/story.ts';
import type { Assessment, Overall, ThresholdResult } from './report/assessment.ts';
import { holdSocketPath, inRun, workloadHash, type Run, type RunOptions } from './run.ts';
import { meanUs } from './stats/histogram.ts';
import { baseDatabaseOf, openSite, trialContext } from './site.ts';
import { fingerprintOf } from './target/fingerprint.ts';
import { schemaKnowledge } from './target/schema-knowledge.ts';
import type { TargetFingerprint } from './target/target.ts';
import { openScratch } from './trial/arms.ts';
import { guardMargin, type Noise } from './trial/calibrate.ts';
import { calibrateArms } from './trial/calibrate-arms.ts';
import { compareArms, type Bench } from './trial/compare-arms.ts';
import { assess, nominalLevelFor } from './trial/decide.ts';
import { shareable } from './trial/grouping.ts';
import { assertOurs, sessionName } from './trial/database-copies.ts';
import { keepOnTarget } from './trial/keep-on-target.ts';
import { planChanges, type PlannedChange, type Planning, type TriedChange } from './trial/planned-change.ts';
import type { PatchChange } from './trial/patch-changes.ts';
import { tryChanges, type TrialRequest } from './trial/try-changes.ts';
import { tryPatches, type PatchOutcome } from './trial/try-patches.ts';
import type { Trial } from './trial/trial.ts';
import { hasTurn } from './trial/turns.ts';
import { describeExecutor } from './workload/executor-description.ts';
import { openLoad } from './workload/load-session.ts';
import { withPatches } from './source-change/with-patches.ts';
import { stabilise } from './workload/stabilise.ts';
import { evaluateThresholds } from './workload/thresholds.ts';

const rules = domains.flatMap((domain) => domain.rules);
const remedies = domains.flatMap((domain) => domain.remedies);
/** Several domains may read one source; it is read once, because reading the agent begins its next window. */
const probes = [...new Set(domains.flatMap((domain) => domain.probes))];
const derivations = domains.flatMap((domain) => domain.derivations);

export interface OptimizeOptions extends RunOptions {
  /** Prove on copies and leave the database itself as it is. */
  readonly dryRun: boolean;
  readonly command?: 'optimize' | 'demo';
  /** A last word on the assessment before it is written, e.g. what a labelled target expected. */
  readonly summarise?: (assessment: Assessment) => Assessment;
}

/** measure -> find -> prescribe -> predict -> try -> keep or roll back -> report */
export async function optimizeTarget(settings: Settings, options: OptimizeOptions): Promise<Assessment> {
  // Before anything connects: what is not ours is not even looked at by a command that changes.
  if (settings.target.database !== null) assertOurs(settings.target.database);
  return inRun(options.command ?? 'optimize', settings, options, async (run) => {
    const observed = await observe(run);
    const diagnosis = await find(run, observed);
    const planning = await prescribe(run, observed, diagnosis);
    const { written, ...patches } = await prescribePatches(run, observed.measurement, { ...planning, suppressed: diagnosis.suppressed });
    const proven = await prove(run, observed, { changes: planning.changes, patches: patches.planned });
    const kept = planning.changes.filter((change) =>
      proven.trials.some(({ id, verdict }) => id === change.id && verdict.decision === 'keep'),
    );
    const holdable = await writeDownPolicies(run, kept);
    const applied = !options.dryRun && kept.length > 0;
    if (applied) {
      run.progress.stage("Putting what was proven into the target's database");
      await keepOnTarget(trialContext(run), kept);
    }
    const assessment = assemble({
      ...resultsOf(run, observed),
      ...diagnosis,
      ...planning,
      ...proven,
      findings: withPatches(planning.findings, written),
      unplanned: new Map([...planning.unplanned, ...proven.untried]),
      patches: new Map([...patches.outcomes, ...proven.patches]),
      applied,
      ...holdable,
    });
    return options.summarise?.(assessment) ?? assessment;
  });
}

/** Policies end with the process they were tried in; from here on `anneal hold` can put them in force where the backend is used. */
async function writeDownPolicies(run: Run, kept: readonly PlannedChange[]): Promise<Pick<RunResults, 'holdable'>> {
  const policies = kept.filter(({ scope }) => scope === 'process');
  if (policies.length === 0) return {};
  const schema = await schemaNow(run);
  for (const { id, remedy, plan, description } of policies)
    await run.ledger.append(run.id, { type: 'proven', trialId: id, remedyId: remedy.id, plan, description, schema });
  const { target, outputFolder } = run.settings;
  return {
    holdable: { trialIds: policies.map(({ id }) => id), socketPath: relative(target.workingDirectory, holdSocketPath(outputFolder)) },
  };
}

async function schemaNow({ outside, settings, id }: Run): Promise<string | null> {
  const { database } = settings.target;
  if (database === null) return null;
  await using sql = await outside.databases.connect(database.url, { applicationName: sessionName(id), readOnly: true });
  return await schemaKnowledge(sql);
}

/** measure -> find -> report; nothing is changed. */
export function diagnoseTarget(settings: Settings, options: RunOptions): Promise<Assessment> {
  return inRun('diagnose', settings, options, async (run) => {
    const observed = await observe(run);
    const diagnosis = await find(run, observed);
    const findings = withPatches(diagnosis.findings, await writePatchesOf(run, diagnosis.findings, []));
    return assemble({ ...resultsOf(run, observed), ...diagnosis, findings });
  });
}

/** The workload on the target with its thresholds: no probe looks, so that nothing but the load costs. */
export function loadTarget(settings: Settings, options: RunOptions): Promise<Assessment> {
  return inRun('load', settings, options, async (run) => assemble(resultsOf(run, await observe(run, { probes: [], derivations: [] }))));
}

export interface MeasureOptions extends RunOptions {
  /** Gets the window itself, with the real parameter values that no report holds. */
  readonly onMeasured?: (measured: Measured) => void;
}

/** measure -> report */
export function measureTarget(settings: Settings, options: MeasureOptions): Promise<Assessment> {
  return inRun('measure', settings, options, async (run) => {
    const observed = await observe(run);
    options.onMeasured?.(observed);
    return assemble(resultsOf(run, observed));
  });
}

export interface Observed extends Measured {
  readonly target: TargetFingerprint;
  readonly thresholds: readonly ThresholdResult[];
}

/** One window of the untouched target. */
export async function observe(
  run: Run,
  sources: Pick<MeasureRequest, 'probes' | 'derivations'> = { probes, derivations },
): Promise<Observed> {
  const { settings, progress, signal } = run;
  const { workload } = settings;
  await using site = await openSite(run);
  await using load = await openLoad(workload, { baseUrl: site.baseUrl, seed: settings.seed, signal, raisePriority: true });
  progress.stage('Warming up until three slices agree');
  await stabilise(load, {
    maximumMs: settings.measure.warmupMs,
    seed: settings.seed,
    figure: (slice) => {
      // A target that crashed or only fails will not get better by being warmed up.
      refuseUselessLoad(slice, site.crashed());
      return meanUs(slice.serviceTimeUs);
    },
  });
  progress.stage(`Measuring for ${settings.measure.windowMs / 1000} s: ${describeExecutor(workload.executor)}`);
  const measured = await measure({
    id: `${run.id}-baseline`,
    arm: 'baseline',
    context: site.context,
    ...sources,
    load,
    windowMs: settings.measure.windowMs,
    seed: settings.seed,
    crashed: () => site.crashed(),
    onProgress: (share) => progress.update(share),
  });
  const { measurement } = measured;
  for (const problem of measurement.quality.problems) progress.note(problem, 'warning');
  for (const gap of new Set(measurement.gaps.map(({ reason }) => reason))) progress.note(`not seen: ${gap}`, 'warning');
  await run.ledger.append(run.id, {
    type: 'measured',
    measurementId: measurement.id,
    arm: 'baseline',
    durationMs: measurement.durationMs,
    trusted: measurement.quality.trusted,
  });
  return {
    ...measured,
    target: await fingerprintOf(settings.target, site.context.agent?.hello.nodeVersion ?? null, site.context.sql),
    thresholds: evaluateThresholds(workload.thresholds, measurement.observations.load!),
  };
}

async function find(run: Run, { measurement }: Measured): Promise<Diagnosis & Pick<RunResults, 'suppressed'>> {
  run.progress.stage('Looking for what holds it back');
  const diagnosis = diagnose(rules, measurement, run.settings.diagnose);
  await run.ledger.append(run.id, { type: 'found', fingerprints: diagnosis.findings.map(({ fingerprint }) => fingerprint) });
  for (const finding of diagnosis.findings)
    run.progress.note(`${finding.ruleId}: ${finding.message}`, finding.level === 'note' ? 'info' : 'warning');
  const { workingDirectory } = run.settings.target;
  return { ...diagnosis, suppressed: await readSuppressions(diagnosis.findings, workingDirectory, run.outside.files) };
}

/**
 * Plans and predictions, with the indexes really built on a scratch copy to see what the planner would do, and with what
 * can only be proposed run there beside what it would replace.
 */
async function prescribe(
  run: Run,
  observed: Observed,
  diagnosis: Diagnosis & Pick<RunResults, 'suppressed'>,
): Promise<Planning & Diagnosis> {
  run.progress.stage('Planning remedies and predicting what each is worth');
  const findings = diagnosis.findings.filter(({ fingerprint }) => !diagnosis.suppressed.has(fingerprint));
  const baseDatabase = baseDatabaseOf(run.settings);
  const { sharedCache, sameForEveryone } = run.settings;
  const common = {
    sliceMs: run.settings.trial.sliceMs,
    measurement: observed.measurement,
    samples: observed.samples,
    sqlParser: run.outside.sqlParser,
    ...(sharedCache === undefined ? {} : { sharedCache }),
    ...(sameForEveryone === undefined ? {} : { sameForEveryone }),
  };
  if (baseDatabase === null) {
    return { ...diagnosis, ...(await planChanges(run.id, findings, remedies, { ...common, sql: null, planner: null })) };
  }
  await using scratch = await openScratch(trialContext(run), { baseDatabase });
  await using planner = run.outside.planOn(scratch.sql);
  const context = { ...common, sql: scratch.sql, planner };
  const tested = await testProposals(findings, context);
  for (const { ruleId, reason } of tested.withdrawn) run.progress.note(`${ruleId}: withdrawn, ${reason}`);
  const planning = await planChanges(run.id, tested.findings, remedies, context);
  for (const change of planning.changes) await announce(run, change);
  const suppressed = diagnosis.findings.filter(({ fingerprint }) => diagnosis.suppressed.has(fingerprint));
  return {
    ...planning,
    findings: rank([...tested.findings, ...suppressed], observed.measurement.observations),
    silences: [...diagnosis.silences, ...tested.withdrawn],
  };
}

/** Writes down what will be tried, and what it is predicted to bring, before its trial begins. */
export async function announce(run: Run, change: TriedChange): Promise<void> {
  await run.ledger.append(run.id, {
    type: 'trial-planned',
    trialId: change.id,
    title: change.description.title,
    findingFingerprint: change.findings[0]?.fingerprint ?? null,
    remedyId: change.remedy.id,
    plan: change.plan,
    prediction: change.prediction,
    where: 'arm',
  });
}

async function testProposals(findings: readonly Finding[], context: PlanningContext) {
  let standing = findings;
  const withdrawn: Silence[] = [];
  for (const { proveProposals } of domains) {
    const tested = await proveProposals?.(standing, context);
    if (tested === undefined) continue;
    standing = tested.findings;
    withdrawn.push(...tested.withdrawn);
  }
  return { findings: standing, withdrawn };
}

type Proven = Pick<RunResults, 'noiseFloor' | 'trials' | 'overall' | 'calibration' | 'patches'> & {
  /** Findings whose remedies had no turn, by fingerprint, with the reason. */
  readonly untried: ReadonlyMap<string, string>;
};

/** The noise floor, then a trial of every change, then everything kept against the original, then a trial of every patch. */
export async function prove(
  run: Run,
  observed: Observed,
  { changes, patches = null }: { readonly changes: readonly TriedChange[]; readonly patches?: PlannedPatches['planned'] },
): Promise<Proven> {
  const tried = [...changes, ...(patches?.changes ?? [])];
  if (tried.length === 0) return { noiseFloor: null, trials: [], overall: null, calibration: [], untried: new Map(), patches: new Map() };
  const { settings, progress } = run;
  const { looks, minimumEffect, sliceMs, writeVolumeMargin } = settings.trial;
  const design = { looks, minimumEffect, sliceMs, nominalLevel: nominalLevelFor(looks), seed: settings.seed };
  const bench = benchOf(run);
  const baseDatabase = baseDatabaseOf(settings);

  progress.stage('Comparing the target with itself: the noise floor');
  const calibration = await calibrateArms(bench, {
    baseDatabase,
    changes: tried,
    design,
    measurement: observed.measurement,
  });
  for (const reservation of calibration.floor.reservations ?? []) progress.note(reservation, 'warning');
  for (const metric of ['cpu.time', 'latency.p95']) {
    const figure = calibration.floor.metrics.find((candidate) => candidate.metric === metric);
    if (figure !== undefined) progress.note(`${metric}: a change of ${percent(figure.smallestProvable)} or more can be proven here`);
  }

  const trials: Trial[] = [];
  const kept: TriedChange[] = [];
  const untried = new Map<string, string>();
  const groups = shareable(changes);
  const { withinMs } = settings.trial;
  const measured = { baseDatabase, design, writeVolumeMargin, calibration, measurement: observed.measurement };
  let trialMs = 0;
  const timeLeft = () => (withinMs === null ? null : { leftMs: withinMs - run.facts().durationMs, trialMs });
  for (const [index, group] of groups.entries()) {
    const beganMs = run.facts().durationMs;
    const time = timeLeft();
    if (!hasTurn(group, groups.slice(index + 1), (other) => changes.indexOf(other[0]!), time)) {
      for (const { fingerprint } of group.flatMap(({ findings }) => findings)) untried.set(fingerprint, noTimeLeft);
      progress.note(`Not tried, the time for trials is over: ${group.map(({ description }) => description.title).join(', ')}`);
      continue;
    }
    progress.stage(`Trying ${group.map((change) => change.description.title).join(' and ')}`);
    for (const trial of await tryChanges(bench, { ...measured, kept, changes: group })) {
      await conclude(run, trial);
      trials.push(trial);
      if (trial.verdict.decision === 'keep') kept.push(group.find((change) => change.id === trial.id)!);
    }
    trialMs = Math.max(trialMs, run.facts().durationMs - beganMs);
  }
  // Servers that somebody else runs have no fresh processes to confirm it in.
  const overall = kept.length === 0 || settings.attachUrl !== null ? null : await confirm(run, bench, kept, design);
  const stands = overall === null || isConfirmed(overall, kept, calibration.noise);
  const standing = stands ? trials : trials.map((trial) => unconfirmed(trial, kept.length));

  const outcomes = new Map<PatchChange, PatchOutcome>();
  if (patches !== null) {
    await tryPatches(bench, {
      ...measured,
      patches: patches.changes,
      kept: stands ? kept : [],
      tree: patches.tree,
      workspaces: run.outside.workspaces,
      refusal: () => (hasTurn(patches, [], () => 0, timeLeft()) ? null : noTimeLeft),
      announce: (patch) => announce(run, patch),
      conclude: async (patch, outcome) => {
        outcomes.set(patch, outcome);
        if ('trial' in outcome) return conclude(run, outcome.trial);
        if ('withdrawn' in outcome) await run.ledger.append(run.id, { type: 'rolled-back', trialId: patch.id, reason: outcome.withdrawn });
        const [[standing, reason]] = Object.entries(outcome) as [[string, string]];
        progress.note(`${patch.description.title}: ${standing}: ${reason}`, 'warning');
      },
    });
  }
  const all = [...standing, ...[...outcomes.values()].flatMap((outcome) => ('trial' in outcome ? [outcome.trial] : []))];
  return {
    noiseFloor: calibration.floor,
    trials: all,
    overall,
    calibration: scoreTrials(all),
    untried,
    patches: new Map(
      [...outcomes].flatMap(([{ findings }, outcome]) => findings.map(({ fingerprint }) => [fingerprint, outcome] as const)),
    ),
  };
}

/** Into the ledger, and to whoever watches. */
async function conclude({ ledger, id, progress }: Run, trial: Trial): Promise<void> {
  await ledger.append(id, { type: 'verdict', trialId: trial.id, verdict: trial.verdict });
  progress.note(verdictLine(trial), trial.verdict.decision === 'keep' ? 'good' : 'warning');
}

const noTimeLeft = 'the time given for trials was over before its turn';

/** Everything kept, together, against the original, in fresh processes and in ordinary traffic. */
async function confirm(run: Run, bench: Bench, kept: readonly TriedChange[], design: TrialRequest['design']): Promise<Overall> {
  run.progress.stage(`Confirming everything kept (${kept.length}) against the original, in fresh processes`);
  const mostRounds = design.looks[0]!;
  const compared = await compareArms(bench, {
    label: 'confirmation',
    baseDatabase: baseDatabaseOf(run.settings),
    standing: [],
    changes: kept,
    groups: [],
    mostRounds,
    isDecided: () => false,
  });
  const question = { rounds: compared.rounds, guards: [], looks: [mostRounds], nominalLevel: 0.05, minimumEffect: design.minimumEffect };
  return {
    comparisons: overallMetrics.map((primary) => assess({ ...question, primary }).primary).filter(({ rounds }) => rounds > 0),
    guards: [],
    distributions: compared.distributions,
    rounds: compared.rounds,
  };
}

const overallMetrics: readonly MetricId[] = [
  'latency.p50',
  'latency.p95',
  'latency.p99',
  'cpu.time',
  'database.time',
  'pool.wait',
  'response.bytes',
  'errors',
  'memory',
  'wal.bytes',
];

/** What users feel must not have got worse by keeping several things together. */
const confirmedBy: ReadonlySet<MetricId> = new Set(['latency.p50', 'latency.p95', 'cpu.time', 'database.time', 'errors']);

/**
 * Held as guards are: against the margin that rounds of this machine can tell from no change. What kept changes are paid
 * for with, by design and each within its own trial's margin, is no reason against them together.
 */
function isConfirmed(overall: Overall, kept: readonly TriedChange[], noise: readonly Noise[]): boolean {
  const allowed = (metric: MetricId) => {
    const paid = kept.reduce((sum, { allowances }) => sum + (allowances?.[metric] ?? 0), 0);
    const ofMetric = noise.find((figure) => figure.metric === metric);
    return Math.max(paid, guardMargin(metric, ofMetric, overall.rounds.length, 0.05, confirmedBy.size));
  };
  return overall.comparisons.every(
    ({ metric, result, change }) => result !== 'regressed' || !confirmedBy.has(metric) || change.lower <= allowed(metric),
  );
}

function unconfirmed(trial: Trial, together: number): Trial {
  if (trial.verdict.decision !== 'keep') return trial;
  const reason =
    together === 1
      ? 'improved in its trial, but the target got slower when it was measured again in fresh processes'
      : 'improved alone, but together with the other kept changes the target got slower in fresh processes';
  return { ...trial, verdict: { decision: 'rollback', performance: 'inconclusive', equality: 'match', reason } };
}

function benchOf(run: Run): Bench {
  const { settings, outside } = run;
  return {
    context: trialContext(run),
    workload: settings.workload,
    sqlParser: outside.sqlParser,
    statementProbe: probes.find((probe) => probe.provides.includes('postgres.server-statements')) ?? null,
    sliceMs: settings.trial.sliceMs,
    // The replay of answers has warmed both arms; one round settles what the first load brings.
    warmupRounds: 1,
    answers: settings.trial.answers,
    seed: settings.seed,
  };
}

export function resultsOf(run: Run, observed: Observed): RunResults {
  const { workload } = run.settings;
  const weights = workload.scenarios.reduce((total, scenario) => total + scenario.weight, 0);
  return {
    run: () => run.facts(),
    target: observed.target,
    workload: {
      name: workload.name,
      executor: describeExecutor(workload.executor),
      scenarios: workload.scenarios.map(({ name, weight }) => ({ name, weightShare: weight / weights })),
      hash: workloadHash(workload),
    },
    windows: [{ title: 'Before', measurement: observed.measurement }],
    findings: [],
    silences: [],
    suppressed: new Map(),
    unplanned: new Map(),
    changes: [],
    noiseFloor: null,
    trials: [],
    overall: null,
    calibration: [],
    thresholds: observed.thresholds,
    domains: domains.map(({ id, title, rules, remedies }) => ({ id, title, rules: rules.length, remedies: remedies.length })),
    patches: new Map(),
    applied: false,
  };
}

function verdictLine(trial: Trial): string {
  const predicted = trial.prediction === null ? '' : `predicted ${percent(trial.prediction.change.point)}, `;
  const measured = percent(trial.primary.change.point);
  const why = trial.verdict.decision === 'keep' ? verdictWord(trial) : `${verdictWord(trial)}: ${trial.verdict.reason}`;
  return `${trial.description.title}: ${why} (${trial.primary.metric.split(':')[0]} ${predicted}measured ${measured})`;
}
