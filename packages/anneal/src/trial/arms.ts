import { AnnealError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Arm } from '../measurement/measurement.ts';
import type { Outside } from '../ports/outside.ts';
import type { ProcessIdentity } from '../ports/processes.ts';
import type { Progress } from '../ports/progress.ts';
import type { Sql } from '../ports/sql.ts';
import { withDatabaseName } from '../target/database-url.ts';
import { attachTarget, launchTarget, type AnsweringTarget } from '../target/launch.ts';
import type { Target, TargetDatabase } from '../target/target.ts';
import { assertOurs, assertRoomForCopies, copyDatabase, copyName, dropDatabase, sessionName } from './database-copies.ts';
import { onEqualFooting } from './equal-footing.ts';
import type { LedgerEvent } from './events.ts';
import { undoUnderIntent, underIntent } from './intent.ts';

export interface TrialContext {
  readonly outside: Pick<Outside, 'agents' | 'changes' | 'clock' | 'databases' | 'files' | 'processes'>;
  readonly ledger: Ledger<LedgerEvent>;
  readonly run: string;
  readonly target: Target;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** One side of a trial: its own process of the target on its own copy of the database, or a server somebody else runs. */
export interface TrialArm {
  readonly arm: Arm;
  readonly target: AnsweringTarget;
  /** These three are null when the target has no database. */
  readonly databaseName: string | null;
  readonly databaseUrl: string | null;
  /** For applying and reverting on this arm; probes open their own. */
  readonly sql: Sql | null;
}

export interface Arms extends AsyncDisposable {
  /** In the order of the roles asked for. */
  readonly all: readonly TrialArm[];
  get(arm: Arm): TrialArm;
  /** What keeps the arms from being alike, as sentences for the reader. */
  readonly reservations: readonly string[];
  /**
   * Stops the processes and drops the copies. Everything is attempted; throws ANNEAL_ROLLBACK_INCOMPLETE with
   * what is left, which `recover` removes.
   */
  close(): Promise<void>;
}

export interface ArmsRequest {
  /** What the copies are made from, a database on the target's server; null when the target has none. */
  readonly baseDatabase: string | null;
  readonly roles: readonly Arm[];
  readonly withAgent: boolean;
  /** Where the one arm listens; default: where there is room. */
  readonly port?: number;
  /** How an arm's target is started; default: all as the context says. */
  readonly launch?: (arm: Arm) => Target;
  /** Done to an arm's copy before its process starts: what a session only takes up when it connects. */
  readonly beforeStart?: (arm: Arm, sql: Sql) => Promise<void>;
}

/**
 * Copies the database once per role, starts the target on each copy and waits until it answers. Every act is under
 * an intent. On any error and on abort everything begun is taken back before this rejects.
 *
 * All copies are made before the first process starts: a template must not be in use, and no arm may warm up
 * while the disk is still busy copying for another.
 */
export async function openArms(
  context: TrialContext,
  { baseDatabase, roles, withAgent, port, launch, beforeStart }: ArmsRequest,
): Promise<Arms> {
  const undo = undoList();
  return undo.unlessCompleted(async () => {
    const { copies, reservations } =
      baseDatabase === null ? { copies: [], reservations: [] } : await openCopies(context, undo, baseDatabase, roles);
    const all: TrialArm[] = [];
    for (const [index, arm] of roles.entries()) {
      const copy = copies[index] ?? null;
      const sql = copy === null ? null : await connectForRun(context, undo, copy.url);
      if (sql !== null) await beforeStart?.(arm, sql);
      context.progress.update(null, `starting the ${arm} arm`);
      const spec = launch?.(arm) ?? context.target;
      const target = await onArm(arm, () => startArm(context, undo, { arm, spec, databaseUrl: copy?.url, withAgent, port }));
      all.push({ arm, target, databaseName: copy?.name ?? null, databaseUrl: copy?.url ?? null, sql });
    }
    return {
      all,
      get(arm) {
        const found = all.find((candidate) => candidate.arm === arm);
        if (found === undefined) throw new RangeError(`the arm ${arm} was not opened`);
        return found;
      },
      reservations,
      close: undo.runAll,
      [Symbol.asyncDispose]: undo.runAll,
    };
  });
}

/** What goes wrong with the target there says on which arm, as the error's detail `arm`. */
export async function onArm<T>(arm: Arm, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AnnealError)) throw error;
    throw new AnnealError(error.code, { ...error.details, arm }, { cause: error });
  }
}

interface ArmStart {
  readonly arm: Arm;
  readonly spec: Target;
  readonly databaseUrl: string | undefined;
  readonly withAgent: boolean;
  readonly port: number | undefined;
}

async function startArm(
  context: TrialContext,
  undo: UndoList,
  { arm, spec, databaseUrl, withAgent, port }: ArmStart,
): Promise<AnsweringTarget> {
  const { outside, ledger, run, signal } = context;
  if (spec.running !== undefined) return attachTarget(spec, spec.running, signal);
  let target: AnsweringTarget | null = null;
  const announce = async (identity: ProcessIdentity) => {
    // From its announcement on, also when it never comes to answer, the ledger owes it an end.
    undo.add(`the process of the ${arm} arm`, () =>
      undoUnderIntent(context, { kind: 'stop-process', role: arm, identity }, () => target?.stop() ?? outside.processes.end(identity)),
    );
    await ledger.append(run, { type: 'process-started', role: arm, identity });
  };
  target = await underIntent(context, { kind: 'start-process', role: arm }, () =>
    launchTarget(outside, spec, {
      withAgent,
      signal,
      announce,
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
      ...(port === undefined ? {} : { port }),
    }),
  );
  return target;
}

export interface Scratch extends AsyncDisposable {
  readonly databaseName: string;
  readonly databaseUrl: string;
  readonly sql: Sql;
  close(): Promise<void>;
}

/** One copy of the database without a process, for trying things that need no traffic. */
export async function openScratch(context: TrialContext, { baseDatabase }: { readonly baseDatabase: string }): Promise<Scratch> {
  const undo = undoList();
  return undo.unlessCompleted(async () => {
    const {
      copies: [copy],
    } = await openCopies(context, undo, baseDatabase, ['scratch']);
    const sql = await connectForRun(context, undo, copy!.url);
    return { databaseName: copy!.name, databaseUrl: copy!.url, sql, close: undo.runAll, [Symbol.asyncDispose]: undo.runAll };
  });
}

interface DatabaseCopy {
  readonly name: string;
  readonly url: string;
}

interface DatabaseCopies {
  /** One per role, in their order. */
  readonly copies: readonly DatabaseCopy[];
  /** What keeps them from being alike. */
  readonly reservations: readonly string[];
}

async function openCopies(context: TrialContext, undo: UndoList, source: string, roles: readonly string[]): Promise<DatabaseCopies> {
  const { outside, run, target, signal, progress } = context;
  const database = databaseOf(target);
  assertOurs(database);
  const url = withDatabaseName(database.url, source);
  const connect = () => outside.databases.connect(url, { applicationName: sessionName(run), readOnly: false });
  // Closed again as soon as the copies stand: an open session would be in the way of whoever copies this database next.
  await using admin = await connect();
  await assertRoomForCopies(admin, outside.files, { url, source, copies: roles.length });
  const copies: DatabaseCopy[] = [];
  const copyEach = async () => {
    for (const role of roles) {
      signal.throwIfAborted();
      progress.update(null, `copying the database for ${role}`);
      const name = copyName(run, role);
      undo.add(`the database ${name}`, () =>
        undoUnderIntent(context, { kind: 'drop-database', name }, async () => {
          await using admin = await connect();
          await dropDatabase(admin, name);
        }),
      );
      await underIntent(context, { kind: 'create-database', name, source }, () => copyDatabase(admin, { source, name, signal }));
      copies.push({ name, url: withDatabaseName(database.url, name) });
    }
  };
  if (roles.length === 1) {
    // Compared with none.
    await copyEach();
    return { copies, reservations: [] };
  }
  const reservation = await onEqualFooting(admin, copyEach);
  return { copies, reservations: reservation === null ? [] : [reservation] };
}

function databaseOf(target: Target): TargetDatabase {
  if (target.database === null) throw new TypeError(`the target ${target.name} has no database to copy`);
  return target.database;
}

async function connectForRun({ outside, run }: TrialContext, undo: UndoList, url: string): Promise<Sql> {
  const sql = await outside.databases.connect(url, { applicationName: sessionName(run), readOnly: false });
  undo.add('a connection', () => sql.close());
  return sql;
}

interface UndoList {
  add(what: string, act: () => Promise<void>): void;
  /** Newest first, each once, all of them even when some fail. */
  readonly runAll: () => Promise<void>;
  /** Runs everything added so far when `work` rejects. */
  unlessCompleted<T>(work: () => Promise<T>): Promise<T>;
}

function undoList(): UndoList {
  const acts: { readonly what: string; readonly act: () => Promise<void> }[] = [];
  const runAll = async () => {
    const failures: { readonly what: string; readonly error: unknown }[] = [];
    for (let next = acts.pop(); next !== undefined; next = acts.pop()) {
      const { what, act } = next;
      await act().catch((error: unknown) => failures.push({ what, error }));
    }
    if (failures.length === 0) return;
    throw new AnnealError(
      'ANNEAL_ROLLBACK_INCOMPLETE',
      {
        problem: failures.map(({ error }) => (error instanceof Error ? error.message : String(error))).join('; '),
        remains: failures.map(({ what }) => what).join(', '),
      },
      { cause: new AggregateError(failures.map(({ error }) => error)) },
    );
  };
  return {
    add: (what, act) => void acts.push({ what, act }),
    runAll,
    async unlessCompleted(work) {
      try {
        return await work();
      } catch (error) {
        await runAll().catch((failure: unknown) => {
          // What is left behind matters more to the user than why; the first error stays readable as the cause.
          if (failure instanceof AnnealError) throw new AnnealError(failure.code, failure.details, { cause: error });
          throw failure;
        });
        throw error;
      }
    },
  };
}
