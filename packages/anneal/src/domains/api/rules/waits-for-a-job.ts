import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { elsewhereShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName, routeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName } from '../outgoing-sites.ts';

/** Jakob Nielsen, Usability Engineering, chapter 5: up to a tenth of a second feels instantaneous; longer is a wait. */
const longWaitMs = 100;

export const waitsForAJob = defineRule({
  id: 'api/waits-for-a-job',
  title: 'A write waits for a call whose answer it does not read',
  documentation: {
    what: 'A request that writes (POST, PUT, PATCH, DELETE) waits 100 ms or more for a call to another service and does nothing else meanwhile, and nobody reads what the service answers.',
    why: 'The caller waits for work whose result is not in the response; a job does the same work after it, and tries again when the service is away.',
    threshold:
      'In most of the calls no body is read before the response is complete, the request makes no other call meanwhile, and that lasts 100 ms or more (what a person notices). It certainly takes the share of request time asked for (1 % by default).',
    fix: 'Write down what has to be done (a row in the same transaction, a queue) and answer; a worker makes the call.',
    falsePositives:
      'It is not a defect where the response depends on whether the call succeeded: that the status alone was looked at cannot be seen from outside, so look before moving it.',
    sources: ['Nielsen, Usability Engineering, chapter 5: 0.1 s', 'Richardson, Microservices Patterns, 3.3: transactional outbox'],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    const writes = routes.filter(({ method }) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method));
    return outgoingSitesOf(writes, 'http').flatMap((site): RuleOutcome[] => {
      if (site.unreadWaitMs === 0) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      if (site.unreadAnswers / site.calls < 0.5) {
        return silence(`${percent(1 - site.unreadAnswers / site.calls)} of its answers are read: the response may hold them`);
      }
      const meanWaitMs = site.unreadWaitMs / site.unreadAnswers;
      if (meanWaitMs < longWaitMs)
        return silence(`requests wait ${milliseconds(meanWaitMs)} for it on average: less than a person notices`);
      const share = elsewhereShare(site.unreadWaitMs, routes, runtime);
      const certain = certainShare(share, site.unreadAnswers);
      if (certain < settings.minimumShare) {
        return silence(
          `it takes ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} keeps ${site.routes[0]} waiting ${milliseconds(meanWaitMs)} for ${callName(site)} and reads nothing of the answer: ` +
            `${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            ...commonEvidence(site),
            measured('calls whose answer nobody read', site.unreadAnswers, '1'),
            measured('wait per such call in which the request did nothing else', meanWaitMs, 'ms'),
            measured(
              'requests of these routes',
              quantity(writes.filter((route) => site.routes.includes(routeName(route))).reduce((sum, { requests }) => sum + requests, 0)),
              '',
            ),
          ],
          costIfIgnored: `${percent(share)} of all request time is spent waiting for it, and when that service is slow or away, so are these writes.`,
          proposal: {
            title: 'Answer first and call from a job',
            text:
              'If the response does not depend on whether the call succeeds: write a row that says what has to be called, in the same transaction as the data, answer, and let a worker make the call and repeat it until it succeeds. ' +
              'Where failure must be told to the caller, this changes the contract: answer 202 and let the caller ask.',
            code: null,
            // The wait is gone from the request altogether; what remains uncertain is how often it came.
            expected: { point: -share, lower: -share, upper: -certain, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
