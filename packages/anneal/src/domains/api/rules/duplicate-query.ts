import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { repeatsOnPurpose } from '../../../finding/repeats-on-purpose.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { callSitesOf, distinctLocations, placeName, routeName, statementText, type CallSite } from '../call-sites.ts';

export const duplicateQuery = defineRule({
  id: 'api/duplicate-query',
  title: 'The same question twice in one request',
  documentation: {
    what: 'A request sends a statement whose text and parameters equal an earlier one of the same request.',
    why: 'The second answer is already known: keep it for the request.',
    threshold:
      'The same text with the same parameters in the same request, and the time of the repeated calls certainly takes the share of request time asked for (1 % by default).',
    fix: 'Ask once and hand the answer on, or keep it for the length of the request.',
    falsePositives:
      'It is not a defect where a write in between can have changed the answer, where the statement takes a lock, or where it is meant to give a new value each time.',
    sources: ['PostgreSQL manual 13.2.1 Read Committed: two statements of a transaction may see different data, which is when it is meant'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements'],
  yieldsTo: ['api/sequential-n-plus-one', 'api/parallel-n-plus-one'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements }, settings) {
    const totalMs = requestTimeMs(routes, runtime);
    return callSitesOf(routes).flatMap((site): RuleOutcome[] => {
      if (site.duplicateCalls === 0) return [];
      const statement = statements.find(({ id }) => id === site.statementId) ?? null;
      const text = statementText(statements, site.statementId);
      const silence = (reason: string): RuleOutcome[] => [
        { silent: { subject: `${shorten(text)} at ${placeName(site.locations[0])}`, reason } },
      ];
      const purpose = statement === null ? null : repeatsOnPurpose(statement);
      if (purpose !== null) return silence(purpose);

      const meanMs = site.totalMs / site.calls;
      const share = shareOf(site.duplicateCalls * meanMs, totalMs);
      // One request can repeat a call at most max - 1 times: so many requests at the least did.
      const fewestRequests = Math.ceil(site.duplicateCalls / Math.max(site.maxCallsPerRequest - 1, 1));
      const certain = certainShare(share, fewestRequests);
      if (certain < settings.minimumShare) {
        return silence(
          `its repetitions take ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const perRequest = site.duplicateCalls / site.requests;
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} sends "${shorten(text)}" again with the same parameters, ${quantity(perRequest)} times per request ` +
            `at ${milliseconds(meanMs)}: ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: site.statementId },
          locations: distinctLocations([...site.locations, ...otherPlaces(site, routes)]),
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'statement', value: text, unit: '', provenance: 'measured', source: 'agent' },
            {
              label: 'calls that repeat text and parameters',
              value: site.duplicateCalls,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'calls', value: site.calls, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'mean time of a call, seen by the client', value: meanMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            { label: 'routes that come by here', value: site.routes.join(', '), unit: '', provenance: 'measured', source: 'agent' },
          ],
          costIfIgnored: `${percent(share)} of all request time goes on fetching what the request already has.`,
          proposal: {
            title: 'Keep the answer for the request',
            text:
              'Load it once at the first place and hand it on, or keep it in a Map that lives as long as the request (in AsyncLocalStorage or on the request object). ' +
              'Drop the kept answer where the request itself writes to these tables.',
            code: [
              'const answers = new Map<string, Promise<QueryResult>>(); // one per request',
              'const once = (text: string, values: unknown[]) => {',
              '  const key = JSON.stringify([text, values]);',
              '  const known = answers.get(key) ?? pool.query(text, values);',
              '  answers.set(key, known);',
              '  return known;',
              '};',
            ].join('\n'),
            // The repeated calls are gone altogether; what remains uncertain is how often they came.
            expected: { point: -share, lower: -share, upper: -certain, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

/** Where else the routes of this site send the same statement: the first of the two questions. */
function otherPlaces(site: CallSite, routes: readonly RouteObservation[]) {
  return routes
    .filter((route) => site.routes.includes(routeName(route)))
    .flatMap((route) => route.statements.filter(({ statementId }) => statementId === site.statementId).map(({ location }) => location));
}
