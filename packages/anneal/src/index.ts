/** The library: everything the command line does. Surfaces use nothing else. */
import { createOutside } from './adapters/outside.ts';
import { adviseFromSnapshot, type AdviceReport, type AdviseOptions } from './advise.ts';
import { checkDatabaseAt } from './check.ts';
import type { Settings } from './config.ts';
import { runDemo } from './demo.ts';
import { readHistory, recoverRuns, rollbackChanges, runFolder, type HistoryRun, type LedgerPlace } from './history.ts';
import { holdPolicies, type HoldOptions } from './hold.ts';
import { diagnoseTarget, loadTarget, measureTarget, optimizeTarget } from './loop.ts';
import { silentProgress, type Progress } from './ports/progress.ts';
import type { Assessment } from './report/assessment.ts';
import type { HealthReport } from './report/health-report.ts';
import { readAssessment } from './report/write-reports.ts';
import type { DatabaseSnapshot } from './ports/database-snapshot.ts';
import type { RunOptions } from './run.ts';
import { recordTraffic } from './record-traffic.ts';
import { snapshotDatabaseAt } from './snapshot.ts';
import type { Imported } from './workload/recorded/workload-from-traffic.ts';
import { tryOwnChange, type ChangeToTry } from './try-change.ts';
import type { MetricId } from './prediction/prediction.ts';
import type { HeldOutcome } from './trial/held-policies.ts';
import type { RecoveryReport, RollbackReport } from './trial/recovery.ts';

export { defineConfig, findConfigFile, loadConfig, resolveSettings, type AnnealConfig, type Settings } from './config.ts';
export { AnnealError, catalogue, exitCodes, type ErrorCode, type ExitCode } from './errors.ts';
export { renderHealth } from './report/health-text.ts';
export { renderText } from './report/text.ts';
export { annealVersion } from './run.ts';
export type { Assessment } from './report/assessment.ts';
export type { HealthReport } from './report/health-report.ts';
export type { HistoryRun, HistoryTrial, LedgerPlace } from './history.ts';
export type { HeldOutcome } from './trial/held-policies.ts';
export type { RecoveryReport, RollbackReport } from './trial/recovery.ts';
export { importTraffic, type ImportTrafficOptions } from './import-traffic.ts';
export { parseSnapshot } from './snapshot.ts';
export type { AdviceReport, AdviseOptions } from './advise.ts';
export { trafficFormats } from './workload/recorded/formats.ts';
export type { Imported } from './workload/recorded/workload-from-traffic.ts';
export type { DatabaseSnapshot } from './ports/database-snapshot.ts';
export type { ChangeToTry, Server } from './try-change.ts';
export type { MetricId } from './prediction/prediction.ts';
export type { Progress } from './ports/progress.ts';
export type { Workload } from './workload/workload.ts';

export interface CallOptions {
  /** Told what is going on; silent by default. */
  readonly progress?: Progress;
  /** Aborting it undoes what is under way and rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Runs the workload once on a copy and says what it saw. */
export async function measure(settings: Settings, options: CallOptions = {}): Promise<Assessment> {
  return measureTarget(settings, await runOptions(options));
}

/** Measures, then says what holds the target back. */
export async function diagnose(settings: Settings, options: CallOptions = {}): Promise<Assessment> {
  return diagnoseTarget(settings, await runOptions(options));
}

/** Diagnoses, tries every remedy on copies, keeps what is proven; `dryRun` leaves the target's database as it is. */
export async function optimize(settings: Settings, options: CallOptions & { readonly dryRun?: boolean } = {}): Promise<Assessment> {
  return optimizeTarget(settings, { ...(await runOptions(options)), dryRun: options.dryRun ?? false });
}

/**
 * Reads any PostgreSQL 12 to 18, MySQL 8 or MariaDB 10.11 and later without changing it and says what is wrong with it, in under ten seconds.
 * `only` names checks (`stale-statistics`). Throws ANNEAL_DATABASE_UNSUPPORTED for other databases.
 */
export async function checkDatabase(url: string, options: CallOptions & { readonly only?: readonly string[] } = {}): Promise<HealthReport> {
  return checkDatabaseAt(url, { ...(await runOptions(options)), ...(options.only === undefined ? {} : { only: options.only }) });
}

/**
 * Reads what a planner needs of any PostgreSQL 12 to 18, in one read-only transaction and without a row of its tables.
 * `values` says what becomes of the column values in its statistics; `hashed` where it is left out.
 */
export async function takeSnapshot(
  url: string,
  options: CallOptions & { readonly values?: DatabaseSnapshot['values'] } = {},
): Promise<DatabaseSnapshot> {
  return snapshotDatabaseAt(url, { ...(await runOptions(options)), values: options.values ?? 'hashed' });
}

/** Puts the workload on the target and holds its thresholds. */
export async function load(settings: Settings, options: CallOptions = {}): Promise<Assessment> {
  return loadTarget(settings, await runOptions(options));
}

/**
 * Proves a change of your own on two arms with the same traffic; the verdict is `keep` only when it is better by `metric`
 * and answers the same. Nothing is applied, and every copy is gone when this returns.
 */
export async function tryChange(
  settings: Settings,
  change: ChangeToTry,
  options: CallOptions & { readonly metric?: MetricId; readonly mayWrite?: boolean } = {},
): Promise<Assessment> {
  const { metric, mayWrite = false } = options;
  return tryOwnChange(settings, change, { ...(await runOptions(options)), mayWrite, ...(metric === undefined ? {} : { metric }) });
}

/**
 * A workload of what users ask a backend for while it is recorded, which needs consent in the configuration. Credentials and what
 * looks secret stay out of it.
 */
export async function record(settings: Settings, options: CallOptions & { readonly durationMs: number }): Promise<Imported> {
  return recordTraffic(settings, { ...(await runOptions(options)), durationMs: options.durationMs });
}

/**
 * Keeps proven policies in force in the processes of the backend, which are started with ANNEAL_HOLD and the agent, until `signal`,
 * the time given, or `rollback` ends it. Resolves to what each of them did.
 */
export async function hold(
  place: LedgerPlace,
  options: CallOptions & Partial<Pick<HoldOptions, 'ids' | 'socketPath' | 'durationMs' | 'onListening'>> = {},
): Promise<readonly HeldOutcome[]> {
  const { ids = [], durationMs = null, progress: _progress, signal: _signal, ...where } = options;
  return holdPolicies(place, { ...(await runOptions(options)), ...where, ids, durationMs });
}

/** Runs, trials and verdicts, oldest first. */
export async function history(outputFolder: string): Promise<readonly HistoryRun[]> {
  return readHistory(outputFolder, await runOptions({}));
}

/** Takes kept changes back out of the target's database. */
export async function rollback(place: LedgerPlace, ids: readonly string[] | 'all', options: CallOptions = {}): Promise<RollbackReport> {
  return rollbackChanges(place, ids, await runOptions(options));
}

/** Undoes what interrupted runs left behind. */
export async function recover(place: LedgerPlace, options: CallOptions = {}): Promise<RecoveryReport> {
  return recoverRuns(place, await runOptions(options));
}

/** The assessment of a run; of the latest when no id is given. */
export async function report(outputFolder: string, run: string | null = null): Promise<Assessment> {
  return readAssessment((await runOptions({})).outside.files, runFolder(outputFolder, run));
}

/** The whole loop on the laboratory backend of the repository. */
export async function demo(options: CallOptions & { readonly size?: number } = {}): Promise<Assessment> {
  return runDemo({ ...(await runOptions(options)), size: options.size ?? 1 });
}

/** Indexes worth building, and existing ones worth dropping, for the workload of a snapshot; needs no database. */
export async function advise(snapshot: DatabaseSnapshot, options: CallOptions & AdviseOptions = {}): Promise<AdviceReport> {
  return adviseFromSnapshot(snapshot, { ...options, ...(await runOptions(options)) });
}

async function runOptions(options: CallOptions): Promise<RunOptions> {
  return {
    outside: await createOutside(),
    progress: options.progress ?? silentProgress,
    signal: options.signal ?? new AbortController().signal,
  };
}
