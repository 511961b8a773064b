import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import type { RouteObservation, RuntimeObservation } from '../../../measurement/observations.ts';
import { routeName } from '../call-sites.ts';
import { runsSpared } from '../coalescing-model.ts';

/** What only holds reads together (PostgreSQL manual, SQL commands): a transaction's beginning and end, and settings that end with it. */
const bracket = /^\s*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SET\s+(?:LOCAL|TRANSACTION))\b/i;

export const identicalConcurrentRequests = defineRule({
  id: 'api/identical-concurrent-requests',
  title: 'The same answer is worked out several times at once',
  documentation: {
    what: 'GET requests arrive while an identical one (same URL, same headers, credentials included, same client address) is being worked on, on a route that only reads.',
    why: 'Each of them runs the same queries for the same answer, and while they run beside each other all of them get slower. Bursts of one popular answer are what overloads a backend first.',
    threshold:
      'What one run for all that wait together would spare of the requests’ queries and CPU is certainly the share asked for (1 % by default). How much that is follows from the share of requests that met an identical one (Poisson arrivals see time averages), and is less than that share: a request is only given an answer whose work began after it arrived.',
    fix: 'Let requests that wait for the same answer share the next run (single flight), or cache the answer.',
    falsePositives:
      'It is not a defect where the answers differ by something no request says (chance, or a counter); then nothing can be shared.',
    sources: ['R. W. Wolff, Poisson Arrivals See Time Averages, Operations Research 30, 1982', 'golang.org/x/sync/singleflight'],
  },
  // Slow requests meet: what makes them slow is the cause, and without it few of them would. An answer that is kept is not worked out at all.
  yieldsTo: [
    'cache/repeated-response',
    'api/sequential-n-plus-one',
    'api/parallel-n-plus-one',
    'api/duplicate-query',
    'api/blocking-call',
    'api/synchronous-io',
    'api/hot-function',
    'api/work-for-a-job',
    'api/waits-for-a-job',
    'api/unbounded-result',
    'api/heavy-serialisation',
    'api/over-fetched-rows',
    'api/chatty-outgoing-calls',
    'api/retry-storm',
    'api/redis-round-trips',
    'database/missing-index',
    'database/missing-sort-index',
    'database/missing-expression-index',
    'database/missing-foreign-key-index',
    'database/unindexed-json-containment',
    'database/unindexed-text-search',
    'database/function-on-indexed-column',
    'database/or-across-columns',
    'database/not-in-subquery',
    'database/count-for-existence',
    'database/join-made-distinct',
    'database/deep-offset',
    'database/wide-rows',
  ],
  requires: ['agent.routes', 'agent.runtime', 'agent.statements'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'agent.statements': statements }, settings) {
    const allMs = requestTimeMs(routes, runtime);
    const harmless = new Set(statements.filter(({ kind, text }) => kind === 'select' || bracket.test(text)).map(({ id }) => id));
    return routes.flatMap((route): RuleOutcome[] => {
      const identical = route.identicalRequests ?? 0;
      if (route.method !== 'GET' || identical === 0) return [];
      const name = routeName(route);
      const overlapping = shareOf(identical, route.requests);
      const spared = runsSpared(overlapping);
      const share = shareOf(spared * workMs(route, routes, runtime), allMs);
      if (share < settings.minimumShare) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: name, reason } }];
      const writes = route.statements.some(({ statementId }) => !harmless.has(statementId));
      if (writes) return silence('its requests run statements that are no SELECT: one run for several would do their work once');
      const certain = certainShare(share, identical);
      if (certain < settings.minimumShare) {
        return silence(
          `one run for those that wait together would spare ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      return [
        {
          level: levelOf(certain),
          message:
            `${percent(overlapping)} of the requests of ${name} arrive while an identical one is running; ` +
            `one run for those that wait together would spare ${percent(spared)} of its runs, ${percent(share)} of all request time.`,
          subject: { kind: 'route', key: name, route: name, statementId: null },
          locations: route.answeredAt === null ? [] : [route.answeredAt],
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'requests that met an identical one', value: identical, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'requests of the route', value: route.requests, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'runs spared', value: 100 * spared, unit: '%', provenance: 'predicted', source: 'queueing model' },
          ],
          costIfIgnored: `${quantity(spared * route.requests)} runs of ${name} in this window worked out what another one was about to work out, and a burst makes as many as it has clients.`,
          proposal: {
            title: `Let identical requests of ${name} share one run`,
            text:
              'Keep a promise by the request’s key (URL and identity) for the next run: who arrives while one runs waits for the run after it, which is one for all who waited. ' +
              'Joining the run under way as well spares more, and gives some clients an answer from before their request.',
            code: null,
            expected: { point: -share, lower: -Math.min(share * 1.5, 1), upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

/** What the route's requests cost: their queries, and their CPU by the profile or else in proportion to their number. */
function workMs(route: RouteObservation, routes: readonly RouteObservation[], runtime: RuntimeObservation): number {
  const requests = routes.reduce((sum, { requests }) => sum + requests, 0);
  return Math.min(route.queryMs, route.totalMs) + (route.cpuMs ?? runtime.cpuMs * shareOf(route.requests, requests));
}
