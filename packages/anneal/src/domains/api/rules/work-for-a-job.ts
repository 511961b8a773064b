import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { milliseconds, percent } from '../../../finding/wording.ts';
import type { ProfiledFunction, RouteObservation } from '../../../measurement/observations.ts';
import { placeName, placeOf, routeName } from '../call-sites.ts';
import { functionTime } from '../function-time.ts';
import { computingShare, mainThreadMs } from '../main-thread.ts';

/** What feels immediate ends there (Miller 1968; Nielsen, Usability Engineering, 5.5): who waits longer can as well be told when it is done. */
const jobMs = 100;

/** Reads want their answer; what is asked to be done can be done after the answer. */
const orders = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export const workForAJob = defineRule({
  id: 'api/work-for-a-job',
  title: 'A request computes what a job should',
  documentation: {
    what: 'A POST, PUT, PATCH or DELETE computes for a tenth of a second or more before it answers, also where it lets the event loop turn in between.',
    why: 'The main thread that serves everybody does the work of one; a burst of such requests stops the service, while a job would wait its turn.',
    threshold:
      '100 ms of CPU time for each request, beyond which nobody finds an answer immediate, in one function of the application and what it calls; certainly the share of the process’s CPU asked for (1 % by default).',
    fix: 'Answer 202 with a place to ask, and do the work in a queue’s worker or a worker thread.',
    falsePositives:
      'It is not a defect where the result is the answer and nobody could go on without it: then a worker thread keeps the others served.',
    sources: ['Nielsen, Usability Engineering, 5.5: response times', 'RFC 9110, 15.3.3: 202 Accepted'],
  },
  requires: ['agent.profile', 'agent.runtime', 'agent.routes'],
  yieldsTo: ['api/blocking-call'],
  diagnose({ 'agent.profile': profile, 'agent.runtime': runtime, 'agent.routes': routes }, settings) {
    return profile.functions.flatMap((profiled): RuleOutcome[] => {
      const spent = functionTime(profiled, routes);
      if (spent === null) return [];
      const { route, selfMs } = spent;
      const meanMs = (selfMs * computingShare(runtime)) / route.requests;
      if (meanMs < jobMs) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: placeName(profiled.location), reason } }];
      if (!orders.has(route.method)) return silence(`${routeName(route)} is a read: its caller wants the result`);
      const share = shareOf(selfMs, mainThreadMs(runtime));
      // As often as it was asked for, and as often as it was sampled: the smaller number is what makes it certain.
      const certain = certainShare(share, Math.min(route.requests, (selfMs * 1000) / profile.intervalUs));
      if (certain < settings.minimumShare)
        return silence(
          `it takes ${percent(share)} of the process's CPU, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      return [findingFor(profiled, route, { meanMs, share, certain })];
    });
  },
});

function findingFor(
  profiled: ProfiledFunction,
  route: RouteObservation,
  { meanMs, share, certain }: { readonly meanMs: number; readonly share: number; readonly certain: number },
): RuleOutcome {
  const place = { ...profiled.location, line: profiled.hottestLine ?? profiled.location.line };
  const name = routeName(route);
  return {
    level: levelOf(certain),
    message: `${placeName(place)} computes ${milliseconds(meanMs)} for each ${name} before it is answered: ${percent(share)} of the process's CPU.`,
    subject: { kind: 'function', key: placeOf(profiled.location)! },
    locations: [place],
    impact: { resource: 'cpu-time', share, certainShare: certain },
    evidence: [
      { label: 'computed per request', value: meanMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
      { label: 'requests of the route', value: route.requests, unit: '1', provenance: 'measured', source: 'agent' },
      {
        label: 'mean response time of the route',
        value: route.totalMs / route.requests,
        unit: 'ms',
        provenance: 'measured',
        source: 'agent',
      },
      {
        label: 'longest stretch without a turn of the event loop',
        value: profiled.longestStretchMs,
        unit: 'ms',
        provenance: 'measured',
        source: 'CPU profile',
      },
    ],
    costIfIgnored: `Ten such requests at once keep the process busy for ${milliseconds(10 * meanMs)}, and everybody else waits with them.`,
    proposal: {
      title: `Answer ${name} before the work is done`,
      text:
        'Accept the order (202 with a place to ask for the result), put it into a queue, and compute in a worker. ' +
        'This changes the contract: callers must ask again. Where they cannot, a worker thread keeps the others served.',
      code: "await queue.add('work', input);\nreply.code(202).header('location', `/jobs/${id}`).send();",
      expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
    },
  };
}
