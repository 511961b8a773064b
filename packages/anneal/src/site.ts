import { AnnealError } from './errors.ts';
import type { ProbeContext } from './measurement/measurement.ts';
import type { Settings } from './config.ts';
import type { AgentControl } from './ports/agent.ts';
import type { Sql } from './ports/sql.ts';
import type { Run } from './run.ts';
import { databaseName } from './target/database-url.ts';
import { attachTarget, type TargetEnd } from './target/launch.ts';
import { openArms, type TrialContext } from './trial/arms.ts';
import { isLocalDatabase, sessionName } from './trial/database-copies.ts';

/** Where a window is measured: the target on a copy of its database, on the database itself, or where it already runs. */
export interface Site extends AsyncDisposable {
  readonly baseUrl: string;
  readonly context: ProbeContext;
  /** How the target ended, when it has. Always null for one that somebody else started. */
  crashed(): TargetEnd | null;
}

/** Throws what starting throws, ANNEAL_TARGET_UNREACHABLE, and ANNEAL_WORKLOAD_WRITES where measuring would be a change. */
export async function openSite(run: Run): Promise<Site> {
  const { attachUrl, target } = run.settings;
  if (attachUrl !== null) return attached(run, attachUrl);
  const inPlace = target.database !== null && !mayCopy(run.settings) && onlyReads(run.settings);
  run.progress.stage(inPlace ? 'Starting the target; its database is only read' : 'Starting the target on a copy of its database');
  const baseDatabase = inPlace ? null : baseDatabaseOf(run.settings);
  const readOnly = inPlace ? await connectReadOnly(run) : null;
  const arms = await openArms(trialContext(run), { baseDatabase, roles: ['baseline'], withAgent: true }).catch(async (error: unknown) => {
    await readOnly?.close();
    throw error;
  });
  const arm = arms.get('baseline');
  return {
    baseUrl: arm.target.baseUrl,
    context: probeContext(run, readOnly ?? arm.sql, arm.target.agent, arm.target.pid),
    crashed: () => arm.target.crashed(),
    async [Symbol.asyncDispose]() {
      await readOnly?.close();
      await arms.close();
    },
  };
}

/** The target as it runs: nothing is started or stopped, its database is only read, and what only an agent sees is missing. */
async function attached(run: Run, baseUrl: string): Promise<Site> {
  const { settings, progress, signal } = run;
  progress.stage(`Measuring the target at ${baseUrl} as it runs`);
  if (!onlyReads(settings) && settings.attachMayWrite !== true) throw new AnnealError('ANNEAL_WORKLOAD_WRITES', { url: baseUrl });
  const target = await attachTarget(settings.target, { url: baseUrl, pid: settings.target.running?.pid ?? null }, signal);
  const sql = settings.target.database === null ? null : await connectReadOnly(run);
  return {
    baseUrl,
    context: probeContext(run, sql, null, target.pid),
    crashed: () => target.crashed(),
    async [Symbol.asyncDispose]() {
      await sql?.close();
    },
  };
}

export function trialContext(run: Run): TrialContext {
  const { outside, ledger, settings, signal, progress } = run;
  return { outside, ledger, run: run.id, target: settings.target, signal, progress };
}

export function baseDatabaseOf(settings: Settings): string | null {
  return settings.target.database === null ? null : databaseName(settings.target.database.url);
}

/** A database that is elsewhere and was not given for change is not copied either: a copy takes its disk and its time. */
function mayCopy({ target }: Settings): boolean {
  return target.database === null || target.database.allowRemoteChange || isLocalDatabase(target.database.url);
}

/** Whether the workload leaves data as they are, as far as HTTP promises it: GET is safe (RFC 9110, section 9.2.1). */
function onlyReads({ workload }: Settings): boolean {
  return workload.scenarios.every((scenario) => scenario.steps.every((step) => step.method === 'GET'));
}

function connectReadOnly({ outside, id, settings }: Run): Promise<Sql> {
  return outside.databases.connect(settings.target.database!.url, { applicationName: sessionName(id), readOnly: true });
}

function probeContext(run: Run, sql: Sql | null, agent: AgentControl | null, targetPid: number | null): ProbeContext {
  const { processes, clock, sqlParser } = run.outside;
  return { sql, agent, processes, clock, sqlParser, targetPid, workingDirectory: run.settings.target.workingDirectory };
}
