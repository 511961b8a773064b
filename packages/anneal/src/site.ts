import { AnnealError } from './errors.ts';
import type { ProbeContext } from './measurement/measurement.ts';
import { askedBatchMs } from './measurement/trace-window.ts';
import type { Settings } from './config.ts';
import type { AgentControl } from './ports/agent.ts';
import type { Sql } from './ports/sql.ts';
import type { TraceListener } from './ports/traces.ts';
import type { Run } from './run.ts';
import { databaseName } from './target/database-url.ts';
import { attachTarget, type TargetEnd } from './target/launch.ts';
import type { Target } from './target/target.ts';
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
  const whose = inPlace ? '; its database is only read' : ' on a copy of its database';
  run.progress.stage(`Starting the target${target.database === null ? '' : whose}`);
  const baseDatabase = inPlace ? null : baseDatabaseOf(run.settings);
  const readOnly = inPlace ? await connectReadOnly(run) : null;
  const traces = target.traces === undefined ? null : await run.outside.traces.listen(target.traces.port);
  const withAgent = traces === null;
  const launch = () => (traces === null ? target : exporting(target, traces.endpoint));
  const arms = await openArms(trialContext(run), { baseDatabase, roles: ['baseline'], withAgent, launch }).catch(async (error: unknown) => {
    await traces?.[Symbol.asyncDispose]();
    await readOnly?.close();
    throw error;
  });
  const arm = arms.get('baseline');
  return {
    baseUrl: arm.target.baseUrl,
    context: probeContext(run, readOnly ?? arm.sql, arm.target.agent, arm.target.pid, traces),
    crashed: () => arm.target.crashed(),
    async [Symbol.asyncDispose]() {
      await traces?.[Symbol.asyncDispose]();
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
  const traces = settings.target.traces === undefined ? null : await run.outside.traces.listen(settings.target.traces.port);
  if (traces !== null) progress.note(`listening for traces: OTEL_EXPORTER_OTLP_ENDPOINT=${traces.endpoint}`);
  return {
    baseUrl,
    context: probeContext(run, sql, null, target.pid, traces),
    crashed: () => target.crashed(),
    async [Symbol.asyncDispose]() {
      await traces?.[Symbol.asyncDispose]();
      await sql?.close();
    },
  };
}

/** Every request, soon: what OpenTelemetry's specification of environment variables offers for it. Whatever the backend sets itself is its own. */
function exporting(target: Target, endpoint: string): Target {
  return {
    ...target,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_TRACES_SAMPLER: 'always_on',
      OTEL_BSP_SCHEDULE_DELAY: String(askedBatchMs),
      OTEL_BSP_MAX_QUEUE_SIZE: '65536',
      ...target.env,
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

function probeContext(
  run: Run,
  sql: Sql | null,
  agent: AgentControl | null,
  targetPid: number | null,
  traces: TraceListener | null,
): ProbeContext {
  const { processes, clock, sqlParser } = run.outside;
  return {
    sql,
    agent,
    processes,
    clock,
    sqlParser,
    targetPid,
    workingDirectory: run.settings.target.workingDirectory,
    ...(traces === null ? {} : { traces }),
  };
}
