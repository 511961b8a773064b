import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import { predictHits, routeName, workMs } from '../hit-model.ts';
import { doubtOf } from '../repeated-by-the-workload.ts';

export const repeatedResponse = defineRule({
  id: 'cache/repeated-response',
  title: 'The same answer is made again and again',
  documentation: {
    what: 'A GET route is asked for the same thing by the same client again, and answers the same bytes as the time before, because nothing it was made of was written in between.',
    why: 'Queries, objects and JSON are made anew for an answer that was there already.',
    threshold:
      'What a cache would spare of the requests’ queries and CPU is certainly the share asked for (1 % by default), even if every write to one of the route’s tables dropped all of its answers.',
    fix: 'Keep the answer until one of the tables or rows it was made of is written.',
    falsePositives:
      'A workload that asks for a few written-out addresses, or as a few sessions, repeats itself where clients would not: the finding is a note then. It is not a defect where the answer only happened to stay the same: where it depends on the clock, on chance, or on another service.',
    sources: [
      'J. W. Cohen, The Single Server Queue, 1982: of two independent Poisson streams the next event belongs to one in proportion to its rate',
      'P. Gupta, N. Zeldovich, S. Madden, A Trigger-Based Middleware Cache for ORMs, Middleware 2011',
    ],
  },
  requires: ['agent.routes', 'agent.runtime', 'agent.statements', 'load'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'agent.statements': statements, load }, settings) {
    const allMs = requestTimeMs(routes, runtime);
    const kinds = new Map(statements.map(({ id, kind }) => [id, kind]));
    return routes.flatMap((route): RuleOutcome[] => {
      const hits = route.method === 'GET' && route.statements.length > 0 ? predictHits(route, statements) : null;
      if (hits === null || route.answers === null) return [];
      const name = routeName(route);
      const routeShare = shareOf(workMs(route, routes, runtime.cpuMs), allMs);
      const share = hits.point * routeShare;
      if (share < settings.minimumShare) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: name, reason } }];
      if (route.statements.some(({ statementId }) => kinds.get(statementId) !== 'select')) {
        return silence('its requests run statements that are no SELECT: an answer from memory would leave their work undone');
      }
      const elsewhere = route.outgoing[0];
      if (elsewhere !== undefined) return silence(`its answers are made of what ${elsewhere.peer} says too, which nobody tells of changes`);
      const certain = certainShare(hits.least * routeShare, route.answers.equalRepeats);
      if (certain < settings.minimumShare) {
        return silence(
          `a cache would spare ${percent(share)} of request time, but with ${quantity(hits.writes)} writes to its tables only ${percent(certain)} of it is certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const doubt = doubtOf(load, route);
      return [
        {
          // How often clients repeat themselves is then the workload's invention: a question, not an accusation.
          level: doubt === null ? levelOf(certain) : 'note',
          message:
            `${percent(hits.most)} of the answers of ${name} are what the same client was answered the time before; ` +
            `kept until something is written they would spare ${percent(hits.least)} to ${percent(hits.most)} of its requests, ${percent(share)} of all request time.${doubt === null ? '' : ` ${doubt}`}`,
          subject: { kind: 'route', key: name, route: name, statementId: null },
          locations: route.answeredAt === null ? [] : [route.answeredAt],
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'answers looked at', value: route.answers.reads, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'asked for before in the same words',
              value: route.answers.repeats,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'answered the same as then', value: route.answers.equalRepeats, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'writes to its tables', value: hits.writes, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'requests answered from memory',
              value: 100 * hits.point,
              unit: '%',
              provenance: 'predicted',
              source: 'renewal model',
            },
          ],
          costIfIgnored: `${percent(share)} of all request time goes on making answers that were made before.`,
          proposal: {
            title: `Keep the answers of ${name} until what they are made of is written`,
            text:
              'Keep the answer by URL and identity, and drop it when one of its tables is written: after the commit and before the writer is answered, and never from a read that began before the write. ' +
              'An expiry alone answers with the past.',
            code: null,
            expected: { point: -share, lower: -hits.most * routeShare, upper: -hits.least * routeShare, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
