import { AnnealError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Outside } from '../ports/outside.ts';
import { silentProgress, type Progress } from '../ports/progress.ts';
import type { Sql } from '../ports/sql.ts';
import type { Remedy } from '../remedy/remedy.ts';
import { databaseName, withDatabaseName } from '../target/database-url.ts';
import { databaseIdentity, dropDatabase, endSessions, sessionName } from './database-copies.ts';
import {
  keptChanges,
  openRuns,
  provenPolicies,
  type Change,
  type DatabaseReference,
  type Entries,
  type KeptChange,
  type LedgerEvent,
} from './events.ts';
import { undoUnderIntent, underIntent, type Journal } from './intent.ts';
import { outstandingOf, type Outstanding } from './outstanding.ts';
import { removeWorkspace } from './workspace.ts';

export interface UndoOptions {
  /** The target's database as configured now; null when there is none. */
  readonly databaseUrl: string | null;
  readonly remedies: readonly Remedy[];
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface RecoveryReport {
  /** Empty when no run was open. */
  readonly runs: readonly RecoveredRun[];
}

export interface RecoveredRun {
  readonly run: string;
  /** Roles of the processes that were still alive. */
  readonly processesEnded: readonly string[];
  readonly databasesDropped: readonly string[];
  /** Copies of the working tree that were removed. */
  readonly foldersRemoved: readonly string[];
  /** Changes to the target that were taken back. */
  readonly reverted: readonly Change[];
}

type Undoing = Pick<Outside, 'clock' | 'databases' | 'files' | 'processes'>;

/**
 * Undoes every run that was not closed: ends its processes, its sessions on the server, its copies of database and
 * working tree, and takes back changes to the target that were not kept. It looks before it acts and may be run again at any time.
 *
 * Everything is attempted. Throws ANNEAL_ROLLBACK_INCOMPLETE with what remains; those runs stay open in the ledger.
 */
export async function recover(outside: Undoing, ledger: Ledger<LedgerEvent>, options: UndoOptions): Promise<RecoveryReport> {
  const entries = await ledger.entries();
  const runs: RecoveredRun[] = [];
  const left = leftovers();
  for (const run of openRuns(entries)) {
    options.progress?.stage(`Recovering the run ${run}`);
    const before = left.count();
    runs.push(await recoverRun(outside, { ledger, run }, outstandingOf(entries, run), options, left));
    if (left.count() === before) await ledger.append(run, { type: 'run-closed', outcome: 'recovered' });
  }
  left.refuse();
  return { runs };
}

async function recoverRun(
  outside: Undoing,
  journal: Journal,
  outstanding: Outstanding,
  options: UndoOptions,
  left: Leftovers,
): Promise<RecoveredRun> {
  const processesEnded: string[] = [];
  const databasesDropped: string[] = [];
  const foldersRemoved: string[] = [];
  const reverted: Change[] = [];
  for (const { role, identity } of outstanding.processes) {
    await left.attempt(journal, `the process ${identity.pid} (${role})`, async () => {
      const current = await outside.processes.identify(identity.pid);
      const lives = current?.startTicks === identity.startTicks;
      await undoUnderIntent(journal, { kind: 'stop-process', role, identity }, () => outside.processes.end(identity));
      if (lives) processesEnded.push(role);
    });
  }
  // After the processes that run in them.
  for (const path of outstanding.folders) {
    await left.attempt(journal, `the folder ${path}`, async () => {
      const isThere = await outside.files.exists(path);
      await removeWorkspace(journal, outside.files, path);
      if (isThere) foldersRemoved.push(path);
    });
  }
  const report: RecoveredRun = { run: journal.run, processesEnded, databasesDropped, foldersRemoved, reverted };
  const { copies, changes, database } = outstanding;
  if (copies.length === 0 && changes.length === 0) return report;

  const remains = [...changes.map(nameOfChange), ...copies.map((name) => `the database ${name}`)].join(', ');
  await left.attempt(journal, remains, async () => {
    await endSessionsFromBeside(outside, journal.run, options.databaseUrl);
    await using sql = await connectToSame(outside, database, journal.run, options.databaseUrl);
    await endSessions(sql, outside.clock, journal.run);
    for (const change of changes) {
      await left.attempt(journal, nameOfChange(change), async () => {
        if (await revert(journal, change, sql, options, 'recovered after an interrupted run')) reverted.push(change);
      });
    }
    for (const name of copies) {
      await left.attempt(journal, `the database ${name}`, async () => {
        await undoUnderIntent(journal, { kind: 'drop-database', name }, () => dropDatabase(sql, name));
        databasesDropped.push(name);
      });
    }
  });
  return report;
}

/**
 * A copy that the server is still making locks its source against new sessions, so it is ended from the database that
 * every cluster has for such purposes. Where that one is closed to us, connecting waits until the copy is done.
 */
async function endSessionsFromBeside(outside: Undoing, run: string, url: string | null): Promise<void> {
  if (url === null) return;
  try {
    await using sql = await outside.databases.connect(withDatabaseName(url, 'postgres'), {
      applicationName: `${sessionName(run)} undo`,
      readOnly: false,
    });
    await endSessions(sql, outside.clock, run);
  } catch {
    // Tried again, and reported, from the target's own database.
  }
}

export interface RollbackReport {
  readonly rolledBack: readonly KeptChange[];
}

/**
 * Ends proven policies, wherever they are held, and takes kept changes back out of the target, newest first, as a run of its own
 * named `run`. Throws, before the target is touched, ANNEAL_TRIAL_UNKNOWN, ANNEAL_CONFIG_MISSING or why the database cannot be reached; and after everything
 * was tried ANNEAL_ROLLBACK_INCOMPLETE, with the run left open, so that `recover` finishes what it was asked for.
 */
export async function rollbackKept(
  outside: Undoing,
  ledger: Ledger<LedgerEvent>,
  selection: readonly string[] | 'all',
  options: UndoOptions & { readonly run: string },
): Promise<RollbackReport> {
  const entries = await ledger.entries();
  const kept = keptChanges(entries).toReversed();
  const proven = provenPolicies(entries);
  const unknown = selection === 'all' ? undefined : selection.find((id) => ![...kept, ...proven].some((change) => change.trialId === id));
  if (unknown !== undefined) throw new AnnealError('ANNEAL_TRIAL_UNKNOWN', { id: unknown });
  const isSelected = ({ trialId }: KeptChange) => selection === 'all' || selection.includes(trialId);
  const policies = proven.filter(isSelected);
  // Whoever holds them reads it here, and switches them off.
  for (const { run, trialId } of policies) await ledger.append(run, { type: 'rolled-back', trialId, reason: 'rolled back on request' });
  const selected = kept.filter(isSelected);
  const [newest] = selected;
  if (newest === undefined) return { rolledBack: policies };
  if (options.databaseUrl === null)
    throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'what was kept is in a database, and none is configured' });

  const { run, databaseUrl, progress = silentProgress } = options;
  await using sql = await outside.databases.connect(databaseUrl, { applicationName: `${sessionName(run)} undo`, readOnly: false });
  const database = { name: databaseName(databaseUrl) ?? '', identity: await databaseIdentity(sql) };
  const { target } = openingOf(entries, newest.run);
  await ledger.append(run, { type: 'run-opened', command: 'rollback', target, database, workload: null });
  const journal = { ledger, run };
  const rolledBack: KeptChange[] = [...policies];
  const left = leftovers();
  for (const change of selected) {
    progress.stage(`Rolling back: ${change.description.title}`);
    await left.attempt(journal, nameOfChange(change), async () => {
      assertSame(openingOf(entries, change.run).database, database);
      await revert(journal, change, sql, options, 'rolled back on request');
      rolledBack.push(change);
    });
  }
  left.refuse();
  await ledger.append(run, { type: 'run-closed', outcome: 'done' });
  return { rolledBack };
}

/** False when the change was not there any more. Afterwards it is not, or this throws. */
async function revert(journal: Journal, change: Change, sql: Sql, options: UndoOptions, reason: string): Promise<boolean> {
  const remedy = options.remedies.find((candidate) => candidate.id === change.remedyId);
  if (remedy === undefined) throw new Error(`no remedy named ${change.remedyId} is known here`);
  const { trialId, remedyId, plan } = change;
  const progress = options.progress ?? silentProgress;
  const context = {
    sql,
    agent: null,
    report: (detail: string) => progress.update(null, detail),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  // A policy ended with the process it was in; only what the database holds is still there to be looked at.
  const wasThere = remedy.scope === 'database' && (await remedy.inspect(plan, context)) !== 'absent';
  if (wasThere) {
    await underIntent(journal, { kind: 'revert', where: 'target', trialId, remedyId, plan }, async () => {
      await remedy.revert(plan, context);
      const presence = await remedy.inspect(plan, context);
      if (presence !== 'absent') throw new Error(`it is still ${presence} after its undo`);
    });
  }
  await journal.ledger.append(journal.run, { type: 'rolled-back', trialId, reason: wasThere ? reason : 'it was no longer there' });
  return wasThere;
}

async function connectToSame(outside: Undoing, expected: DatabaseReference | null, run: string, url: string | null): Promise<Sql> {
  if (url === null) throw new Error('no database is configured; the run worked on one');
  const sql = await outside.databases.connect(url, { applicationName: `${sessionName(run)} undo`, readOnly: false });
  try {
    assertSame(expected, { name: databaseName(url) ?? '', identity: await databaseIdentity(sql) });
    return sql;
  } catch (error) {
    await sql.close();
    throw error;
  }
}

/** "Not there" in the wrong database would be taken for "undone", so the database must be the one the run wrote down. */
function assertSame(expected: DatabaseReference | null, configured: DatabaseReference): void {
  const tellsIdentity = expected !== null && expected.identity !== null && configured.identity !== null;
  const isSame = tellsIdentity ? expected.identity === configured.identity : expected?.name === configured.name;
  if (!isSame) throw new Error(`the configured database ${configured.name} is not the one the run worked on, ${expected?.name ?? 'none'}`);
}

function openingOf(entries: Entries, run: string): Extract<LedgerEvent, { type: 'run-opened' }> {
  const opening = entries.find((entry) => entry.run === run && entry.event.type === 'run-opened')?.event;
  if (opening?.type !== 'run-opened') throw new Error(`the run ${run} was never opened`);
  return opening;
}

const nameOfChange = ({ trialId, remedyId }: Change) => `${trialId} (${remedyId})`;

interface Leftovers {
  /** Keeps the failure, in the ledger too where it can still be written, and goes on. */
  attempt(journal: Journal, what: string, act: () => Promise<void>): Promise<void>;
  count(): number;
  /** Throws ANNEAL_ROLLBACK_INCOMPLETE when anything failed. */
  refuse(): void;
}

function leftovers(): Leftovers {
  const failures: { readonly what: string; readonly problem: string; readonly error: unknown }[] = [];
  return {
    async attempt({ ledger, run }, what, act) {
      try {
        await act();
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        failures.push({ what, problem, error });
        await ledger.append(run, { type: 'undo-failed', what, problem }).catch(() => {});
      }
    },
    count: () => failures.length,
    refuse() {
      if (failures.length === 0) return;
      throw new AnnealError(
        'ANNEAL_ROLLBACK_INCOMPLETE',
        { problem: failures.map(({ problem }) => problem).join('; '), remains: failures.map(({ what }) => what).join(', ') },
        { cause: new AggregateError(failures.map(({ error }) => error)) },
      );
    },
  };
}
