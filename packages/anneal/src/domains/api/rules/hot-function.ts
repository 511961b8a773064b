import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { milliseconds, percent } from '../../../finding/wording.ts';
import { placeName, placeOf, routeName } from '../call-sites.ts';
import { functionTime } from '../function-time.ts';
import { computingShare, mainThreadMs } from '../main-thread.ts';

/** As much of the main thread as 25 queries cost (0.04 ms each): below it there is nothing in a request worth rewriting. */
const hotMsPerRequest = 1;

/** As much as all else its route does together: framework, driver, serialising. */
const hotShare = 0.5;

export const hotFunction = defineRule({
  id: 'api/hot-function',
  title: 'One function computes as long as everything else of its route',
  documentation: {
    what: 'Half of a route’s CPU time or more is spent in one function of the application’s own, in its own lines and not in a library.',
    why: 'On one main thread a request’s computing time is what limits how many are served a second; one function is where all of that can be won.',
    threshold:
      'A millisecond for each request of its route, which is what 25 queries cost the main thread, half of the route’s CPU time, and certainly the share of the process’s CPU asked for (1 % by default).',
    fix: 'Compute less: the right data structure, work moved out of a loop, a result that is kept.',
    falsePositives: 'It is not a defect where this computation is what the route is for and it is done well.',
    sources: ['Amdahl 1967: what half of the time takes is the most that can be won', 'V8’s sampling profiler'],
  },
  requires: ['agent.profile', 'agent.runtime', 'agent.routes'],
  yieldsTo: ['api/blocking-call', 'api/work-for-a-job', 'api/synchronous-io'],
  diagnose({ 'agent.profile': profile, 'agent.runtime': runtime, 'agent.routes': routes }, settings) {
    return profile.functions.flatMap((profiled): RuleOutcome[] => {
      const spent = functionTime(profiled, routes);
      if (spent === null) return [];
      const { route, ownMs } = spent;
      const { cpuMs } = route;
      const meanMs = (ownMs * computingShare(runtime)) / route.requests;
      if (cpuMs === null) return [];
      const routeShare = shareOf(ownMs, cpuMs);
      if (meanMs < hotMsPerRequest || routeShare < hotShare) return [];
      const place = { ...profiled.location, line: profiled.hottestLine ?? profiled.location.line };
      const share = shareOf(ownMs, mainThreadMs(runtime));
      const certain = certainShare(share, (ownMs * 1000) / profile.intervalUs);
      if (certain < settings.minimumShare) {
        return [
          {
            silent: {
              subject: placeName(place),
              reason: `it takes ${percent(share)} of the process's CPU, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
            },
          },
        ];
      }
      return [
        {
          level: levelOf(certain),
          message: `${placeName(place)} computes ${milliseconds(meanMs)} for each ${routeName(route)}: ${percent(routeShare)} of that route's CPU time, ${percent(share)} of the process's.`,
          subject: { kind: 'function', key: placeOf(profiled.location)! },
          locations: [place],
          impact: { resource: 'cpu-time', share, certainShare: certain },
          evidence: [
            { label: 'time in its own lines', value: ownMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
            { label: 'per request', value: meanMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
            {
              label: 'CPU time of the route',
              value: cpuMs,
              unit: 'ms',
              provenance: 'predicted',
              source: 'CPU profile and open requests',
            },
            { label: 'requests of the route', value: route.requests, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'interval between samples',
              value: profile.intervalUs / 1000,
              unit: 'ms',
              provenance: 'measured',
              source: 'CPU profile',
            },
          ],
          costIfIgnored: `${percent(share)} of the process's CPU, and ${milliseconds(meanMs)} in which nobody else is served for each of these requests.`,
          proposal: {
            title: `Make ${profiled.location.function ?? 'the function'} compute less`,
            text:
              `Most of its time is on line ${place.line}. Look for what is computed again for each element or comparison and could be computed once, ` +
              'for a search through a list that a Map would answer, and for a result that many requests share.',
            code: null,
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
