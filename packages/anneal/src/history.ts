import { join } from 'node:path';
import { domains } from './domains/index.ts';
import { AnnealError } from './errors.ts';
import { openLedger } from './ledger/open-ledger.ts';
import { ledgerPath, runId, type RunOptions } from './run.ts';
import type { Outside } from './ports/outside.ts';
import { holdersOf, keptChanges, openRuns, type Entries, type LedgerEvent } from './trial/events.ts';
import { recover, rollbackKept, type RecoveryReport, type RollbackReport } from './trial/recovery.ts';

const remedies = domains.flatMap((domain) => domain.remedies);

/** Where the ledger is, and the database its changes were made to. */
export interface LedgerPlace {
  readonly outputFolder: string;
  readonly databaseUrl: string | null;
}

export interface HistoryRun {
  readonly id: string;
  readonly startedAt: string;
  readonly command: string;
  readonly outcome: string;
  readonly trials: readonly HistoryTrial[];
}

export interface HistoryTrial {
  readonly id: string;
  readonly title: string;
  /** `kept` stands in the target's database now; `proven` was kept in its trial but not put there; `held` is a proven policy that an `anneal hold` keeps in force now. */
  readonly state: 'planned' | 'proven' | 'kept' | 'held' | 'rolled back';
}

/** Runs, oldest first, as the ledger tells them. Throws ANNEAL_LEDGER_BROKEN. */
export async function readHistory(outputFolder: string, { outside }: Pick<RunOptions, 'outside'>): Promise<readonly HistoryRun[]> {
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(outputFolder));
  const entries = await ledger.entries();
  const standing = new Set(keptChanges(entries).map((change) => change.trialId));
  const held = await heldNow(entries, outside);
  const ended = new Set(entries.flatMap(({ event }) => (event.type === 'rolled-back' ? [event.trialId] : [])));
  const runs = [...new Set(entries.map((entry) => entry.run))];
  return runs.map((run) => {
    const told = historyOf(
      run,
      entries.filter((entry) => entry.run === run),
      standing,
    );
    const trials = told.trials.map((trial) => {
      if (trial.state !== 'proven') return trial;
      // Said by another run than its own: who holds it, and who ended it.
      return { ...trial, state: ended.has(trial.id) ? 'rolled back' : held.has(trial.id) ? 'held' : 'proven' } as const;
    });
    return { ...told, trials };
  });
}

/** A holder that was killed wrote nothing down: whether it lives is asked. */
async function heldNow(entries: Entries, { processes }: Pick<Outside, 'processes'>): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  for (const [trialId, holders] of holdersOf(entries)) {
    for (const { pid, startTicks } of holders) if ((await processes.identify(pid))?.startTicks === startTicks) held.add(trialId);
  }
  return held;
}

function historyOf(run: string, entries: Entries, standing: ReadonlySet<string>): HistoryRun {
  const opened = entries.find(({ event }) => event.type === 'run-opened');
  const closed = entries.findLast(({ event }) => event.type === 'run-closed');
  const trials = new Map<string, HistoryTrial>();
  for (const { event } of entries) {
    if (event.type === 'trial-planned') trials.set(event.trialId, { id: event.trialId, title: event.title, state: 'planned' });
    const trial = event.type === 'verdict' || event.type === 'kept' || event.type === 'rolled-back' ? trials.get(event.trialId) : undefined;
    if (trial === undefined) continue;
    if (event.type === 'verdict') trials.set(trial.id, { ...trial, state: event.verdict.decision === 'keep' ? 'proven' : 'rolled back' });
    if (event.type === 'rolled-back') trials.set(trial.id, { ...trial, state: 'rolled back' });
    if (event.type === 'kept') trials.set(trial.id, { ...trial, state: standing.has(trial.id) ? 'kept' : 'rolled back' });
  }
  return {
    id: run,
    startedAt: opened?.at ?? entries[0]?.at ?? '',
    command: opened?.event.type === 'run-opened' ? opened.event.command : 'unknown',
    outcome: closed?.event.type === 'run-closed' ? closed.event.outcome : 'interrupted: run `anneal recover`',
    trials: [...trials.values()],
  };
}

/** Takes kept changes back out of the target's database. Throws ANNEAL_RUN_OPEN, ANNEAL_TRIAL_UNKNOWN, ANNEAL_ROLLBACK_INCOMPLETE. */
export async function rollbackChanges(
  place: LedgerPlace,
  selection: readonly string[] | 'all',
  options: RunOptions,
): Promise<RollbackReport> {
  const { outside, progress, signal } = options;
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(place.outputFolder));
  const interrupted = openRuns(await ledger.entries())[0];
  if (interrupted !== undefined) throw new AnnealError('ANNEAL_RUN_OPEN', { run: interrupted });
  const run = runId(outside.clock.now());
  return await rollbackKept(outside, ledger, selection, {
    run,
    databaseUrl: place.databaseUrl,
    remedies,
    progress,
    signal,
  });
}

/** Undoes what interrupted runs left behind. Needs no configuration where there is no database to look at. */
export async function recoverRuns(place: LedgerPlace, { outside, progress, signal }: RunOptions): Promise<RecoveryReport> {
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(place.outputFolder));
  return await recover(outside, ledger, { databaseUrl: place.databaseUrl, remedies, progress, signal });
}

/** Where a run's files are: `latest`, or a run by its id. */
export function runFolder(outputFolder: string, run: string | null): string {
  return run === null ? join(outputFolder, 'latest') : join(outputFolder, 'runs', run);
}
