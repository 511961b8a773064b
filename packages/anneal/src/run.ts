import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Settings } from './config.ts';
import { AnnealError } from './errors.ts';
import { openLedger, type OpenLedger } from './ledger/open-ledger.ts';
import type { Outside } from './ports/outside.ts';
import type { Progress } from './ports/progress.ts';
import type { Assessment, RunFacts } from './report/assessment.ts';
import { writeReports } from './report/write-reports.ts';
import { databaseName } from './target/database-url.ts';
import { databaseIdentity } from './trial/database-copies.ts';
import { openRuns, type DatabaseReference, type LedgerEvent } from './trial/events.ts';
import { outstandingOf } from './trial/outstanding.ts';
import type { Workload } from './workload/workload.ts';

export interface RunOptions {
  readonly outside: Outside;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** One execution of a command: its folder, its ledger, and what it works with. */
export interface Run extends RunOptions {
  readonly id: string;
  readonly command: RunFacts['command'];
  readonly folder: string;
  readonly startedAt: Date;
  readonly settings: Settings;
  readonly ledger: OpenLedger<LedgerEvent>;
  facts(): RunFacts;
}

export const annealVersion = '0.1.0';

/** A run whose result is an assessment: its reports are written into the run's folder. Throws what `inLedger` throws. */
export function inRun(
  command: RunFacts['command'],
  settings: Settings,
  options: RunOptions,
  work: (run: Run) => Promise<Assessment>,
): Promise<Assessment> {
  return inLedger(command, settings, options, async (run) => {
    const assessment = await work(run);
    await writeReports(options.outside.files, run.folder, assessment);
    await options.outside.files.link(join(settings.outputFolder, 'latest'), join('runs', run.id));
    return assessment;
  });
}

/**
 * Opens the ledger, runs `work` and closes the run in the ledger, also when `work` throws.
 * Throws ANNEAL_RUN_OPEN when an earlier run was interrupted and not recovered.
 */
export async function inLedger<Result>(
  command: RunFacts['command'],
  settings: Settings,
  options: RunOptions,
  work: (run: Run) => Promise<Result>,
): Promise<Result> {
  const { outside } = options;
  const startedAt = outside.clock.now();
  const startedMs = outside.clock.monotonicMs();
  const id = runId(startedAt);
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(settings.outputFolder));
  const interrupted = openRuns(await ledger.entries())[0];
  if (interrupted !== undefined) throw new AnnealError('ANNEAL_RUN_OPEN', { run: interrupted });

  const folder = join(settings.outputFolder, 'runs', id);
  await outside.files.makeFolder(folder);
  const run: Run = {
    ...options,
    id,
    command,
    folder,
    startedAt,
    settings,
    ledger,
    facts: () => ({
      id,
      command,
      startedAt: startedAt.toISOString(),
      durationMs: Math.round(outside.clock.monotonicMs() - startedMs),
      annealVersion,
      seed: settings.seed,
    }),
  };
  await ledger.append(id, {
    type: 'run-opened',
    command,
    target: settings.target.name,
    database: await databaseReference(settings, outside),
    workload: { name: settings.workload.name, hash: workloadHash(settings.workload) },
  });
  let outcome = 'failed';
  try {
    const result = await work(run);
    outcome = 'done';
    return result;
  } catch (error) {
    if (error instanceof AnnealError) outcome = error.code;
    throw error;
  } finally {
    // A run that left something behind stays open in the ledger: that is what `anneal recover` looks for.
    const { processes, copies, folders, changes } = outstandingOf(await ledger.entries(), id);
    if (processes.length + copies.length + folders.length + changes.length === 0) await ledger.append(id, { type: 'run-closed', outcome });
  }
}

async function databaseReference({ target }: Settings, { databases }: Outside): Promise<DatabaseReference | null> {
  if (target.database === null) return null;
  await using sql = await databases.connect(target.database.url, { applicationName: 'anneal', readOnly: true });
  return { name: databaseName(target.database.url) ?? '', identity: await databaseIdentity(sql) };
}

export function ledgerPath(outputFolder: string): string {
  return join(outputFolder, 'ledger.jsonl');
}

/** Where `anneal hold` meets the backend unless it is told otherwise. */
export function holdSocketPath(outputFolder: string): string {
  return join(outputFolder, 'hold.sock');
}

/** SHA-256 of the workload as compact JSON: two runs put the same traffic on their targets when it agrees. */
export function workloadHash(workload: Workload): string {
  return createHash('sha256').update(JSON.stringify(workload)).digest('hex');
}

/** Sorts by time, names the databases of the run, and stays short because PostgreSQL's names end at 63 bytes. */
export function runId(startedAt: Date): string {
  const stamp = startedAt.toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${stamp}-${randomBytes(2).toString('hex')}`;
}
