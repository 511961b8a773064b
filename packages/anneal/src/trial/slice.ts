import type { AgentSummary } from '@anneal/agent/protocol';
import type { AgentControl } from '../ports/agent.ts';
import type { Probe, ProbeContext } from '../measurement/measurement.ts';
import type { StatementObservation } from '../measurement/observations.ts';
import type { MetricId } from '../prediction/prediction.ts';
import { geometricMeanUs, mergeHistograms, quantileUs, type HistogramData } from '../stats/histogram.ts';
import type { LoadResult } from '../workload/load-result.ts';
import type { LoadSession, RunOptions } from '../workload/load-session.ts';
import type { Slice } from './trial.ts';

/** What one slice needs of its arm. */
export interface SliceSource {
  readonly load: LoadSession;
  readonly context: ProbeContext;
  readonly agent: AgentControl | null;
  /** Counts statements on the server; null when the target has no database. */
  readonly statements: Probe | null;
}

/** A group of statements whose time is one metric: those a plan touches, and the writes that pay for it. */
export interface StatementGroup {
  readonly key: string;
  readonly statementIds: ReadonlySet<string>;
  /** Its trial is decided by what they log, not by their time. */
  readonly judgedByLog: boolean;
}

/**
 * Routes whose duration is one metric, what they take to connect elsewhere another, and the bytes of their answers a third. The duration is a geometric mean: of the few
 * requests that a slice has of a route the plain one is made by those that waited behind something else, which no change of the
 * route takes away. What it does to the slow ones the guards see.
 */
export interface RouteGroup {
  readonly key: string;
  /** Named `GET /feed`. */
  readonly routes: ReadonlySet<string>;
  /** Its trial is decided by how long they or their connections take, not by what they answer. */
  readonly judgedByTime: boolean;
}

/** Time of the statements that no group touches: what should not move, and sizes the drift when it does. */
export const placeboMetric: MetricId = 'database.time:untouched';

export interface TakenSlice {
  readonly slice: Slice;
  /** Policies that were on when the slice ended. */
  readonly policiesOn: ReadonlySet<string>;
  /** Policies that met something in it: any of their figures is not zero. */
  readonly policiesActed: ReadonlySet<string>;
  readonly load: LoadResult;
}

/**
 * Runs the load for one slice and reads what it cost. CPU is read as soon as the last answer is in,
 * before the agent and the database are asked anything, so that asking is not charged to the arm.
 *
 * What a policy refused costs something and is no answer: it is charged to the answers given, so that refusing can never
 * look like working faster. Only where `refuses` says that limits are on trial is it no error.
 */
export async function takeSlice(
  source: SliceSource,
  request: Pick<RunOptions, 'durationMs' | 'seed' | 'clients'> & { readonly refuses: boolean },
  groups: readonly StatementGroup[],
  routeGroups: readonly RouteGroup[] = [],
): Promise<TakenSlice> {
  const { context, agent } = source;
  const pid = context.targetPid;
  const statementWindow = await source.statements?.open(context);
  await agent?.flush();
  const before = pid === null ? null : await context.processes.usage(pid);
  const load = await source.load.run(request);
  const after = pid === null ? null : await context.processes.usage(pid);
  const summary = await agent?.flush();
  const reading = await statementWindow?.close();

  const refused = refusedRequests(load, summary?.policies ?? []);
  const answered = load.requests - refused;
  const byLimit = request.refuses ? refused : 0;
  const failed = load.failedRequests - byLimit;
  const perRequest = (total: number) => total / Math.max(answered, 1);
  const metrics: Partial<Record<MetricId, number>> = {
    ...latencies(load.responseTimeUs),
    errors: failed / Math.max(load.requests - byLimit, 1),
    'response.bytes': perRequest(load.steps.reduce((sum, step) => sum + step.responseBytes, 0)),
  };
  if (request.refuses && answered > failed) metrics['answer.interval'] = load.durationMs / (answered - failed);
  if (before !== null && after !== null) {
    metrics['cpu.time'] = perRequest(after.cpuMs - before.cpuMs);
    metrics.memory = after.residentBytes;
  }
  if (summary !== undefined) {
    metrics['pool.wait'] = perRequest(summary.pools.reduce((total, pool) => total + pool.waitUs.sum / 1000, 0));
    for (const { key, routes } of routeGroups) {
      const own = summary.routes.filter(({ method, route }) => routes.has(`${method} ${route}`));
      const durations = mergeHistograms(own.map(({ durationUs }) => durationUs));
      // Per request of theirs, because how many there are in a slice is chance and no change's doing. None says nothing of what one costs.
      if (durations.count === 0) continue;
      metrics[`route.time:${key}`] = geometricMeanUs(durations) / 1000;
      metrics[`connect.time:${key}`] =
        own.flatMap(({ outgoing }) => outgoing).reduce((sum, { connectMs }) => sum + connectMs, 0) / durations.count;
      metrics[`response.bytes:${key}`] = own.reduce((sum, { responseBytes }) => sum + responseBytes, 0) / durations.count;
    }
  }
  const statements = reading?.observations['postgres.server-statements'];
  if (statements !== undefined) {
    metrics['database.time'] = perRequest(total(statements, (statement) => statement.totalMs));
    metrics['wal.bytes'] = perRequest(total(statements, (statement) => statement.walBytes));
    const untouched = statements.filter((statement) => !groups.some((group) => group.statementIds.has(statement.id)));
    if (groups.length > 0) metrics[placeboMetric] = perRequest(total(untouched, (statement) => statement.totalMs));
    for (const group of groups) {
      const touched = statements.filter((statement) => group.statementIds.has(statement.id) && statement.calls > 0);
      // A slice in which none of them ran says nothing about them: no figure, and not one of zero.
      if (touched.length === 0) continue;
      metrics[`database.time:${group.key}`] = perRequest(total(touched, (statement) => statement.totalMs));
      // Nor does one in which they only read say what writing costs. A guard asks less: without a write nothing was added.
      if (group.judgedByLog && touched.every(({ kind }) => kind === 'select')) continue;
      metrics[`wal.bytes:${group.key}`] = perRequest(total(touched, (statement) => statement.walBytes));
    }
  }
  const policiesOn = new Set((summary?.policies ?? []).filter(({ on }) => on).map(({ id }) => id));
  const acted = (summary?.policies ?? []).filter(({ figures }) => Object.values(figures).some((figure) => figure !== 0));
  const policiesActed = new Set(acted.map(({ id }) => id));
  const counts = { requests: load.requests, failedRequests: failed, ...(byLimit === 0 ? {} : { refusedRequests: byLimit }) };
  return { slice: { ...counts, metrics }, policiesOn, policiesActed, load };
}

/** For a round whose generator was late: latency from the actual send, in which its lateness is not. */
export function fromActualSend({ slice, load }: TakenSlice): Slice {
  return { ...slice, metrics: { ...slice.metrics, ...latencies(load.serviceTimeUs) } };
}

/**
 * The agent marks what it answers itself in the application's place. Where it refuses inside of the application (a connection,
 * a call), the application's own error tells nobody why: of the requests that failed, as many as the agent says it refused.
 */
function refusedRequests(load: LoadResult, policies: AgentSummary['policies']): number {
  const inside = policies.reduce((sum, { kind, figures }) => {
    const refusals = (figures['refused'] ?? 0) - (figures['fallbacks'] ?? 0);
    return kind === 'limit-pool-waiting' || kind === 'break-circuit' ? sum + refusals : sum;
  }, 0);
  const marked = load.refusedRequests ?? 0;
  return marked + Math.min(load.failedRequests - marked, inside);
}

function latencies(histogram: HistogramData): Slice['metrics'] {
  // Nobody was answered: that is no latency of zero.
  if (histogram.count === 0) return {};
  return {
    'latency.p50': quantileUs(histogram, 0.5),
    'latency.p95': quantileUs(histogram, 0.95),
    'latency.p99': quantileUs(histogram, 0.99),
  };
}

function total(statements: readonly StatementObservation[], figure: (statement: StatementObservation) => number): number {
  return statements.reduce((sum, statement) => sum + figure(statement), 0);
}
