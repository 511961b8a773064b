import { shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { percent } from '../../../finding/wording.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { whyOutOfReach } from '../../../remedy/driver-within-reach.ts';
import { defineRemedy, type PlanningContext } from '../../../remedy/remedy.ts';
import { cpuOf, predictHits, routeName } from '../hit-model.ts';
import { cacheKnowledge } from '../knowledge/cache-knowledge.ts';
import { hearingOfOthers, keptByAgent, planKeeping, reservationsOf, shadowShare, whyNoLog, type KeepingPlan } from '../kept-by-agent.ts';

/** A type, not an interface, so that it is Json. */
export type CacheResponsesPlan = KeepingPlan & {
  readonly route: string;
  readonly location: { readonly file: string; readonly line: number } | null;
  /** Of the route's requests, headers that its owner says do not change its answer: with those of identities it is given to all. */
  readonly ignoredHeaders: readonly string[];
};

const id = 'cache/cache-responses';

/** A thirtieth of what Node takes for its heap on a small machine; the trial guards the process's memory. */
const maximumBytes = 32_000_000;

/**
 * CPU of a hit, from the `request` event to the last byte. Assumed from our own measurement of a Fastify process: 15 us
 * beside 64 us for a route with one query.
 */
const hitCpuMs = 0.015;
/** What asking Redis before a hit adds: 47 us became 85 us, medians of six windows of 6,000 requests of one Express process beside its Redis. */
const askingCpuMs = 0.038;

export const cacheResponses = defineRemedy<CacheResponsesPlan>({
  id,
  title: 'Keep answers until what they are made of is written',
  addresses: ['cache/repeated-response'],
  scope: 'process',
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',

  async plan(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    if (route === null || context.sql === null || (await whyNot(route, context)) !== null) return null;
    const location = route.answeredAt === null ? null : { file: route.answeredAt.file, line: route.answeredAt.line };
    return {
      route: route.route,
      location,
      ...(await planKeeping(context, context.sql)),
      ignoredHeaders: context.sameForEveryone?.get(route.route) ?? [],
    };
  },

  async explainRefusal(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    return route === null ? 'the route was not observed' : whyNot(route, context);
  },

  async predict(plan, _finding, { measurement }) {
    const { 'agent.routes': routes = [], 'agent.runtime': runtime, 'agent.statements': statements = [] } = measurement.observations;
    const route = routeOf(measurement, `GET ${plan.route}`);
    const hits = route === null ? null : predictHits(route, statements);
    const cpuMs = runtime?.cpuMs ?? 0;
    const own = route === null ? 0 : cpuOf(route, routes, cpuMs);
    const eachMs = hitCpuMs + (plan.shared === null ? 0 : askingCpuMs);
    const spared = (share: number) => shareOf(Math.max(share * (1 - shadowShare) * (own - eachMs * (route?.requests ?? 0)), 0), cpuMs);
    return {
      metric: 'cpu.time',
      // Less than the least: a hit costs more on a slower processor, and what is shared by all requests stays.
      change: {
        point: -spared(hits?.point ?? 0),
        lower: -spared(hits?.most ?? 0),
        upper: -spared((hits?.least ?? 0) / 2),
        confidenceLevel: 0.95,
      },
      model: 'queueing',
      assumptions: [
        `requests repeat as they did: ${percent(hits?.repeatedShare ?? 0)} of them had been asked in the same words`,
        'requests of one key and writes come independently of each other (Poisson)',
        ...(plan.ignoredHeaders.length === 0 ? [] : ['how often clients ask for what others were answered was not seen, and is not in it']),
        `an answer from memory costs ${eachMs} ms of CPU${plan.shared === null ? '' : ', Redis asked before it'} (own measurement)`,
      ],
    };
  },

  ...keptByAgent(
    id,
    policyId,
    ({ route, ignoredHeaders }, knowledge) => ({
      kind: 'cache-responses',
      routes: [route],
      knowledge,
      maximumBytes,
      shadowShare,
      ...(ignoredHeaders.length === 0 ? {} : { ignoredHeaders }),
    }),
    maximumBytes,
  ),

  touches: ({ route }) => ({ statementIds: [], routes: [`GET ${route}`], writtenTables: [] }),

  describe(plan) {
    const { route, location, ignoredHeaders } = plan;
    const where = location === null ? '' : ` at ${location.file}:${location.line}`;
    return {
      title: `Answers of GET ${shorten(route)} are kept until what they are made of is written`,
      sql: null,
      lasting:
        `Keep the answer${where} by URL${ignoredHeaders.length === 0 ? ' and identity' : ''}. Note a generation per table before reading, keep only what was read within one, and count it up after each commit before the writer is answered. ` +
        hearingOfOthers(plan),
      reservations: [
        ...(ignoredHeaders.length === 0 ? [] : [sharedAmongAll(route, ignoredHeaders)]),
        ...reservationsOf(plan),
        ...commonReservations,
      ],
    };
  },
});

const commonReservations = [
  'An answer from memory reaches none of the application’s code: access logs, counters and rate limits of its own do not see the request.',
  'Whoever tells clients apart by their address alone, and says so nowhere in the request, would be answered with one another’s answers.',
  'One answer of fifty is made anew for ever and compared; one that differs without a write to explain it ends the policy.',
];

/** First of all, because it is the one that gives something away. */
function sharedAmongAll(route: string, headers: readonly string[]): string {
  return (
    `The configuration says that answers of ${route} are the same whoever asks (\`cache.sameForEveryone\`): one is kept whatever ${headers.join(' and ')} say, ` +
    'and given to everybody, also to whom the application would have refused. Of those that it marks as private, or as varying by these, none is kept.'
  );
}

function routeOf({ observations }: Measurement, name: string | null): RouteObservation | null {
  return observations['agent.routes']?.find((route) => routeName(route) === name) ?? null;
}

/** Null where nothing speaks against it. */
async function whyNot(route: RouteObservation, { measurement, samples, sql, sqlParser }: PlanningContext): Promise<string | null> {
  if (sql === null) return 'there is no database to ask what its statements read';
  const outOfReach = whyOutOfReach(measurement);
  if (outOfReach !== null) return outOfReach;
  if (route.outgoing.length > 0) return 'its requests ask other services, which nobody tells of changes';
  const log = await whyNoLog(sql);
  if (log !== null) return log;
  const own = new Map(route.statements.map(({ statementId }) => [statementId, samples.get(statementId) ?? []]));
  if ([...own.values()].some((seen) => seen.length === 0)) return 'one of its statements was not seen as it is sent';
  for (const [statementId, seen] of own) {
    const known = await cacheKnowledge(sql, sqlParser, new Map([[statementId, seen]]));
    if (known.length > 0 && known.every(({ reads }) => reads !== null)) continue;
    const text = measurement.observations['agent.statements']?.find((statement) => statement.id === statementId)?.text ?? 'one statement';
    return `the answer of "${shorten(text)}" depends on more than tables, or nothing shows that it does not`;
  }
  return null;
}

function policyId({ route }: CacheResponsesPlan): string {
  return `${id}:${route}`;
}
