import type { Finding, Silence } from '../finding/finding.ts';
import { requestTimeShare } from '../finding/rank.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { CalibrationEntry } from '../prediction/prediction.ts';
import type { TargetFingerprint } from '../target/target.ts';
import type { TriedChange } from '../trial/planned-change.ts';
import type { NoiseFloor, Trial } from '../trial/trial.ts';
import type { PatchOutcome } from '../trial/try-patches.ts';
import type {
  AssessedFinding,
  AssessedPatch,
  Assessment,
  Costs,
  DomainCoverage,
  Overall,
  RunFacts,
  Summary,
  ThresholdResult,
  Window,
  WorkloadFacts,
} from './assessment.ts';
import { holdAction, type Holdable } from './hold-action.ts';
import { assessPatches } from './patches.ts';
import { policyFile } from './policy-files.ts';

/** Everything a run found out, before it is put into the form that reports read. */
export interface RunResults {
  /** Asked last, so that its duration is that of the whole run. */
  readonly run: () => RunFacts;
  readonly target: TargetFingerprint;
  readonly workload: WorkloadFacts;
  readonly windows: readonly { readonly title: string; readonly measurement: Measurement }[];
  readonly findings: readonly Finding[];
  readonly silences: readonly Silence[];
  readonly suppressed: ReadonlyMap<string, string>;
  /** Findings no remedy answers, by fingerprint, with the reason. */
  readonly unplanned: ReadonlyMap<string, string>;
  readonly changes: readonly TriedChange[];
  /** What became of patches, by their finding's fingerprint; of one that is not in it nothing was tried. */
  readonly patches: ReadonlyMap<string, PatchOutcome>;
  readonly noiseFloor: NoiseFloor | null;
  readonly trials: readonly Trial[];
  readonly overall: Overall | null;
  readonly calibration: readonly CalibrationEntry[];
  readonly thresholds: readonly ThresholdResult[];
  readonly domains: readonly DomainCoverage[];
  /** Whether kept changes are on the target's own database now. */
  readonly applied: boolean;
  /** Absent where there is nothing to hold. */
  readonly holdable?: Holdable;
}

export function assemble(results: RunResults): Assessment {
  const run = results.run();
  const patches = assessPatches(results.findings, { suppressed: results.suppressed, outcomes: results.patches });
  const findings = results.findings.map((finding) => assessFinding(finding, patches.get(finding.fingerprint), results));
  const tried = results.trials.filter((trial) => trial.isPatch !== true);
  const kept = tried.filter((trial) => trial.verdict.decision === 'keep');
  const p95 = results.overall?.comparisons.find((comparison) => comparison.metric === 'latency.p95');
  const summary: Summary = {
    defects: null,
    trials: {
      kept: kept.length,
      rolledBack: tried.filter((trial) => trial.verdict.decision === 'rollback').length,
      inconclusive: tried.filter((trial) => trial.verdict.decision === 'rollback' && trial.verdict.performance === 'inconclusive').length,
    },
    overall: p95 === undefined ? null : { metric: p95.metric, change: p95.change },
    calibration: results.calibration.map((entry) => ({
      remedy: `${entry.remedy} ${entry.subject}`,
      metric: entry.metric,
      predicted: entry.predicted.point,
      measured: entry.measured.point,
    })),
    durationMs: run.durationMs,
  };
  return {
    schemaVersion: '1.0.0',
    run,
    summary,
    target: results.target,
    workload: results.workload,
    windows: results.windows.map(({ title, measurement }) => windowOf(title, measurement)),
    findings,
    silences: results.silences,
    noiseFloor: results.noiseFloor,
    trials: results.trials,
    overall: results.overall,
    calibration: results.calibration,
    thresholds: results.thresholds,
    costs: costsOf(kept, results.overall),
    nextActions: nextActions(findings, kept, results),
    domains: results.domains,
  };
}

/** A remedy and a patch of one finding each had a trial: one that was kept or proven confirms it, else the remedy's has the word. */
function assessFinding(found: Finding, patch: AssessedPatch | undefined, results: RunResults): AssessedFinding {
  const observations = results.windows[0]?.measurement.observations ?? {};
  const finding = { ...found, requestTimeShare: requestTimeShare(found.impact, observations), ...(patch === undefined ? {} : { patch }) };
  const suppression = results.suppressed.get(finding.fingerprint);
  if (suppression !== undefined) return { ...finding, standing: 'suppressed', standingReason: suppression, trialId: null };
  const change = results.changes.find((candidate) => candidate.findings.some(({ fingerprint }) => fingerprint === finding.fingerprint));
  const ofRemedy = results.trials.find((candidate) => candidate.id === change?.id);
  const ofPatch = results.trials.find((candidate) => candidate.id === patch?.trialId);
  if (ofRemedy?.verdict.decision === 'keep')
    return { ...finding, standing: 'confirmed', standingReason: 'its remedy was tried and kept', trialId: ofRemedy.id };
  if (ofPatch?.verdict.decision === 'keep')
    return { ...finding, standing: 'confirmed', standingReason: 'its patch was tried and proven', trialId: ofPatch.id };
  const trial = ofRemedy ?? ofPatch;
  if (trial?.verdict.decision !== 'rollback') {
    const reason = results.unplanned.get(finding.fingerprint) ?? 'not tried in this run';
    return { ...finding, standing: 'proposed', standingReason: reason, trialId: null };
  }
  const { performance, reason } = trial.verdict;
  const isRefuted = performance === 'regressed' || performance === 'no-change';
  return { ...finding, standing: isRefuted ? 'refuted' : 'undecided', standingReason: reason, trialId: trial.id };
}

function windowOf(title: string, measurement: Measurement): Window {
  const { observations } = measurement;
  const routes = observations['agent.routes'] ?? [];
  const statements = observations['postgres.statements'] ?? [];
  const routeMs = routes.reduce((total, route) => total + route.totalMs, 0);
  const statementMs = statements.reduce((total, statement) => total + statement.totalMs, 0);
  return {
    id: measurement.id,
    title,
    startedAt: measurement.startedAt,
    durationMs: measurement.durationMs,
    quality: measurement.quality,
    gaps: measurement.gaps,
    load: observations.load ?? null,
    routes: routes
      .map((route) => ({
        route: `${route.method} ${route.route}`,
        requests: route.requests,
        errors: route.errors,
        durationUs: route.durationUs,
        totalMs: route.totalMs,
        queryMs: route.queryMs,
        poolWaitMs: route.poolWaitMs,
        outgoingMs: route.outgoingMs,
        redisMs: route.redisMs,
        cpuMs: route.cpuMs,
        responseBytes: route.responseBytes,
        timeShare: shareOf(route.totalMs, routeMs),
      }))
      .toSorted((a, b) => b.totalMs - a.totalMs),
    statements: statements
      .map((statement) => ({
        id: statement.id,
        text: statement.text,
        calls: statement.calls,
        totalMs: statement.totalMs,
        rows: statement.rows,
        timeShare: shareOf(statement.totalMs, statementMs),
        locations: statement.locations.map((location) => `${location.file}:${location.line}`),
      }))
      .toSorted((a, b) => b.totalMs - a.totalMs)
      .slice(0, mostStatements),
    pools: observations['agent.pools'] ?? [],
    runtime: observations['agent.runtime'] ?? null,
  };
}

/** Enough to see where the time goes; the rest is a long tail that only makes the file large. */
const mostStatements = 50;

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function costsOf(kept: readonly Trial[], overall: Overall | null): Costs {
  const sum = (figure: (trial: Trial) => number) => kept.reduce((total, trial) => total + figure(trial), 0);
  return {
    diskBytes: sum((trial) => trial.cost.diskBytes),
    buildMs: sum((trial) => trial.cost.buildMs),
    memoryBytes: sum((trial) => trial.cost.memoryBytes),
    connections: sum((trial) => trial.cost.connections),
    writeVolumeChange: overall?.comparisons.find((comparison) => comparison.metric === 'wal.bytes')?.change.point ?? null,
  };
}

function nextActions(findings: readonly AssessedFinding[], kept: readonly Trial[], results: RunResults): readonly string[] {
  const proven = findings.filter(({ patch }) => patch?.standing === 'proven');
  const isProven = (finding: Finding | null) => proven.some(({ fingerprint }) => fingerprint === finding?.fingerprint);
  const lasting = kept.flatMap(({ finding, description }) =>
    description.lasting === null || isProven(finding) ? [] : [description.lasting],
  );
  const policies = policyFile(kept);
  const toApply = kept.some((trial) => trial.description.sql !== null) && !results.applied;
  return [
    ...(toApply ? ['Run the files in slow-query-fixes/ on the database, or `anneal optimize` without --dry-run.'] : []),
    ...new Set(proven.map((finding) => `${titleOf(finding)}, proven: \`git apply ${finding.patch!.file}\``)),
    ...(results.holdable === undefined ? [] : holdAction(kept, results.holdable)),
    ...lasting,
    ...(policies === null ? [] : [policies.action]),
    ...findings
      .filter((finding) => finding.level !== 'note' && isLeftToPeople(finding))
      .map((finding) => `${titleOf(finding)}${proofOf(finding)}`),
    ...(results.thresholds.some((threshold) => !threshold.holds)
      ? ['Thresholds still fail: see the report for the routes that miss them.']
      : []),
  ];
}

/** Not tried, or tried with a patch that is not the last word. */
function isLeftToPeople({ standing, trialId, patch }: AssessedFinding): boolean {
  return standing === 'proposed' || (standing === 'undecided' && patch !== undefined && patch.trialId === trialId);
}

function titleOf({ proposal, locations: [where] }: AssessedFinding): string {
  return `${proposal.title}${where === undefined ? '' : ` (${where.file}:${where.line})`}`;
}

function proofOf({ patch }: AssessedFinding): string {
  if (patch === undefined) return '';
  if (patch.standing === 'withdrawn') return `: not by its patch, which was withdrawn (${patch.reason})`;
  if (patch.standing === 'unprovable') return `: read ${patch.file} (${patch.reason})`;
  return `: read and prove ${patch.file} (\`anneal try --patch\`)`;
}
