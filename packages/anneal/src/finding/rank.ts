import type { Observations } from '../measurement/observations.ts';
import type { Finding, Impact } from './finding.ts';
import { connectionWaitMs, requestTimeMs, shareOf, waitShare } from './request-time.ts';

/**
 * How findings about different resources stand in one list: each is ranked by the share of the
 * workload's request time (`finding/request-time.ts`) it accounts for, since that is what callers
 * wait for.
 *
 * - request-time is that share already.
 * - database-time: a statement's share of database time, times database time per request time.
 * - cpu-time: the process runs on one main thread, and a request that needs D of a server that is
 *   busy a share ρ of the time spends D / (1 - ρ) on it (M/G/1 with processor sharing, Kleinrock,
 *   Queueing Systems II, 4.4). So CPU counts for more the busier the event loop is.
 * - pool-wait: all waiting for connections, per request time with that waiting.
 * - response-bytes: what they cost depends on the clients' networks, which a measurement beside the server does not have:
 *   they count nothing here.
 * - headroom: no request waits for it yet, so it counts nothing here; its level says how near the end is.
 *
 * The shares of causes and of the waits they make overlap, so they do not add up to one. No resource
 * counts for more than all of the request time. What the window did not measure counts as if the
 * resource were all of it, so a finding is never hidden by a gap.
 */
export function requestTimeShare(impact: Impact, observations: Partial<Observations>): number {
  return impact.certainShare * weightOf(impact.resource, observations);
}

/** Most costly first; equal ones by fingerprint, so that two runs over one measurement agree. */
export function rank(findings: readonly Finding[], observations: Partial<Observations>): readonly Finding[] {
  return findings
    .map((finding) => ({ finding, share: requestTimeShare(finding.impact, observations) }))
    .sort((left, right) => right.share - left.share || (left.finding.fingerprint < right.finding.fingerprint ? -1 : 1))
    .map(({ finding }) => finding);
}

function weightOf(resource: Impact['resource'], observations: Partial<Observations>): number {
  if (resource === 'headroom' || resource === 'response-bytes') return 0;
  const { 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements } = observations;
  if (resource === 'request-time' || routes === undefined || runtime === undefined) return 1;
  if (resource === 'pool-wait') return waitShare(connectionWaitMs(routes), routes, runtime);
  if (resource === 'cpu-time') {
    // A loop that never rests has no finite answer; the cap stands in for it.
    const stretchedMs = runtime.cpuMs / Math.max(1 - runtime.eventLoopUtilizationShare, Number.EPSILON);
    return shareOf(stretchedMs, requestTimeMs(routes, runtime));
  }
  if (statements === undefined) return 1;
  const databaseMs = statements.reduce((sum, statement) => sum + statement.totalMs, 0);
  return shareOf(databaseMs, requestTimeMs(routes, runtime));
}
