import { shorten } from '../../../finding/subject.ts';
import { percent } from '../../../finding/wording.ts';
import { shareOf } from '../../../finding/request-time.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { defineRemedy, type PlanningContext } from '../../../remedy/remedy.ts';
import { quantileUs } from '../../../stats/histogram.ts';
import { isReadOnly, readCatalogueFacts } from '../batching/catalogue-facts.ts';
import { namesUsed } from '../batching/names-used.ts';
import { routeOf } from '../call-sites.ts';
import { runsSpared, runsSparedWhenShorter } from '../coalescing-model.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** A type, not an interface, so that it is Json. */
export type CoalesceRequestsPlan = {
  readonly route: string;
  readonly longestWaitMs: number;
  readonly location: { readonly file: string; readonly line: number } | null;
};

const id = 'api/coalesce-requests';

/** A wait for the run under way and a run of one's own, both as slow as they get. */
const runsWaitedFor = 2;

export const coalesceRequests = defineRemedy<CoalesceRequestsPlan>({
  id,
  title: 'Let identical requests share one run',
  addresses: ['api/identical-concurrent-requests'],
  scope: 'process',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  restsOnSchema: true,

  async plan(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    if (route === null || (await whyNotShared(route, context)) !== null) return null;
    const location = route.answeredAt === null ? null : { file: route.answeredAt.file, line: route.answeredAt.line };
    return { route: route.route, longestWaitMs: longestWaitMs(route), location };
  },

  async explainRefusal(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    return route === null ? 'the route was not observed' : whyNotShared(route, context);
  },

  async predict(plan, _finding, { measurement }) {
    const route = routeOf(measurement, `GET ${plan.route}`);
    const overlapping = route === null ? 0 : shareOf(route.identicalRequests ?? 0, route.requests);
    const part = route === null ? 0 : cpuShare(route, measurement);
    // The least: runs get shorter as there are fewer of them, so fewer meet, and what every request costs before it is held back stays.
    const least = runsSparedWhenShorter(overlapping) * part * 0.5;
    const most = runsSpared(overlapping) * part;
    return {
      metric: 'cpu.time',
      change: { point: -(least + most) / 2, lower: -Math.min(most * 1.25, 0.95), upper: -least, confidenceLevel: 0.95 },
      model: 'queueing',
      assumptions: [
        `requests of the route go on meeting identical ones as they did: ${percent(overlapping)} of them`,
        'requests arrive independently of each other (Poisson arrivals see time averages)',
        route?.cpuMs == null ? 'its requests cost as much CPU as others: no profile says otherwise' : 'its CPU is what the profile says',
      ],
    };
  },

  toggles: policyId,

  ...carriedOutByAgent(id, policyId, policyOf),

  touches: ({ route }) => ({ statementIds: [], routes: [`GET ${route}`], writtenTables: [] }),

  describe({ route, location, longestWaitMs: waitMs }) {
    const where = location === null ? '' : ` at ${location.file}:${location.line}`;
    return {
      title: `Identical requests of GET ${shorten(route)} share one run`,
      sql: null,
      lasting:
        `Keep the promise of the next run by URL and identity${where}: who arrives while one runs waits for the run after it (at most ${waitMs} ms), ` +
        'which answers all who waited. Only answers that set no cookie, are no stream and have status 200 are shared.',
      reservations: [
        'A request is only answered by work that began after it arrived, so nobody is told anything older than alone.',
        'Requests are the same when all their headers are, credentials and the client’s address included: behind a proxy that hides clients’ addresses fewer things keep them apart, and none of them is an identity.',
      ],
    };
  },
});

function longestWaitMs({ durationUs }: RouteObservation): number {
  return Math.ceil((runsWaitedFor * quantileUs(durationUs, 0.999)) / 1000) + 1;
}

/** What happens once in place of several times must be nothing but reading. Null when it is, as far as can be seen. */
async function whyNotShared(route: RouteObservation, { measurement, samples, sql, sqlParser }: PlanningContext): Promise<string | null> {
  const effect = route.outgoing.find(({ kind, operation }) => kind !== 'http' || !/^(?:GET|HEAD) /.test(operation));
  if (effect !== undefined) return `its requests ask for ${effect.operation} of ${effect.peer}, which may do more than read`;
  if (route.statements.length === 0) return null;
  if (sql === null) return 'there is no database to ask what its statements run';
  const texts = route.statements.map(({ statementId }) => samples.get(statementId)?.[0]?.text ?? null);
  if (texts.includes(null)) return 'one of its statements was not seen as it is sent';
  const queries = texts.map((text) => sqlParser.shape(text!)?.query ?? null);
  const used = queries.flatMap((query) => (query === null ? [] : [namesUsed(query)]));
  const facts = await readCatalogueFacts(sql, used);
  const isPlain = used.length === queries.length && used.every((one) => isReadOnly(one, facts));
  if (isPlain) return null;
  const unclear = route.statements.find((_, index) => {
    const query = queries[index] ?? null;
    return query === null || !isReadOnly(namesUsed(query), facts);
  });
  const { text } = measurement.observations['agent.statements']?.find((statement) => statement.id === unclear?.statementId) ?? {
    text: 'one statement',
  };
  return `nothing shows that this only reads: ${shorten(text)}`;
}

function cpuShare(route: RouteObservation, { observations }: Measurement): number {
  const { 'agent.routes': routes = [], 'agent.runtime': runtime } = observations;
  if (route.cpuMs !== null && runtime !== undefined) return shareOf(route.cpuMs, runtime.cpuMs);
  return shareOf(
    route.requests,
    routes.reduce((sum, { requests }) => sum + requests, 0),
  );
}

function policyId({ route }: CoalesceRequestsPlan): string {
  return `${id}:${route}`;
}

function policyOf({ route, longestWaitMs: waitMs }: CoalesceRequestsPlan) {
  return { kind: 'coalesce-requests', routes: [route], longestWaitMs: waitMs } as const;
}
