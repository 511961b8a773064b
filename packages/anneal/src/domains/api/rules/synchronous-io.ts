import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { RouteObservation, SynchronousCallObservation } from '../../../measurement/observations.ts';
import { residualDelayMs } from '../../../prediction/queueing.ts';
import { distinctLocations, placeName, placeOf, routeName } from '../call-sites.ts';
import { computingShare, mainThreadMs } from '../main-thread.ts';

/**
 * Handing a call to libuv's threads and back takes some 0.03 ms of the main thread (reading 4 kB: 0.034 ms as a
 * promise, 0.005 ms synchronously). From ten times that on the asynchronous form gives nearly all of the time back.
 */
const shortestMs = 0.3;

export const synchronousIo = defineRule({
  id: 'api/synchronous-io',
  title: 'A request waits synchronously, and everybody with it',
  documentation: {
    what: 'A request reads a file, compresses, hashes or runs a program with a function whose name ends in Sync, on the main thread.',
    why: 'While such a call runs nobody else is served, although the disk, the threads of libuv or another process do the work; every other request waits for it.',
    threshold:
      'A call takes 0.3 ms or more on average, ten times what the asynchronous form costs the main thread itself (0.03 ms); the calls certainly take the share of the main thread’s time asked for (1 % by default).',
    fix: 'The asynchronous form of the call; or once at the start, where each request reads the same.',
    falsePositives: 'It is not a defect at start-up, in scripts, and in work of no request: none of those is counted.',
    sources: [
      'Node.js documentation, Don’t Block the Event Loop',
      'Own measurement of fs.readFileSync and fs.promises.readFile, as stated',
    ],
  },
  requires: ['agent.routes', 'agent.runtime'],
  yieldsTo: ['api/blocking-call'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return sitesOf(routes).flatMap(({ name, locations, key, routes, calls, totalMs, longestMs }): RuleOutcome[] => {
      const share = shareOf(totalMs, mainThreadMs(runtime));
      // Timed by the clock: what the machine gave to others meanwhile is in it.
      const meanMs = (totalMs * computingShare(runtime)) / calls;
      const silence = (reason: string): RuleOutcome[] => [
        { silent: { subject: `${name} at ${locations.length === 0 ? routes[0] : placeName(locations[0])}`, reason } },
      ];
      if (meanMs < shortestMs) {
        // Looking whether a file is there, at each request: worth a sentence only where it adds up.
        if (share < settings.minimumShare) return [];
        return silence(`a call takes ${milliseconds(meanMs)}: the asynchronous form would cost the main thread about as much`);
      }
      const certain = certainShare(share, calls);
      if (certain < settings.minimumShare) {
        return silence(
          `its ${quantity(calls)} calls take ${percent(share)} of the main thread's time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const delayMs = residualDelayMs((calls * 1000) / runtime.windowMs, meanMs ** 2);
      return [
        {
          level: levelOf(certain),
          message:
            `${locations.length === 0 ? routes[0] : placeName(locations[0])} calls ${name} for ${milliseconds(meanMs)} each time (longest ${milliseconds(longestMs)}) ` +
            `in ${routes.join(', ')}: ${percent(share)} of the main thread's time, during which nobody else is served.`,
          subject: { kind: 'function', key },
          locations,
          impact: { resource: 'cpu-time', share, certainShare: certain },
          evidence: [
            { label: 'function', value: name, unit: '', provenance: 'measured', source: 'agent' },
            { label: 'calls', value: calls, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'time in them', value: totalMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            { label: 'longest call', value: longestMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            { label: 'routes', value: routes.join(', '), unit: '', provenance: 'measured', source: 'agent' },
            {
              label: 'added wait of every other request',
              value: delayMs,
              unit: 'ms',
              provenance: 'predicted',
              source: 'residual life, r·d²/2',
            },
          ],
          costIfIgnored: `Every request that arrives meanwhile waits up to ${milliseconds(longestMs)}, and longer when the disk or the machine is busy.`,
          proposal: { ...proposalFor(name), expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 } },
        },
      ];
    });
  },
});

/** One function called from one function of the application, over all routes that come by there. */
function sitesOf(routes: readonly RouteObservation[]) {
  const seen = routes.flatMap((route) => route.synchronousCalls.map((call) => ({ route: routeName(route), call })));
  const keyOf = (route: string, call: SynchronousCallObservation) => placeOf(call.location) ?? `${call.name} in ${route}`;
  const groups = Map.groupBy(seen, ({ route, call }) => `${call.name} ${keyOf(route, call)}`);
  return [...groups.values()].map((group) => {
    const sum = (figure: 'calls' | 'totalMs') => group.reduce((total, { call }) => total + call[figure], 0);
    const [{ route, call }] = group as [(typeof group)[number]];
    return {
      name: call.name,
      key: keyOf(route, call),
      locations: distinctLocations(group.map((member) => member.call.location)),
      routes: [...new Set(group.map((member) => member.route))],
      calls: sum('calls'),
      totalMs: sum('totalMs'),
      longestMs: Math.max(...group.map((member) => member.call.longestMs)),
    };
  });
}

function proposalFor(name: string): { readonly title: string; readonly text: string; readonly code: string } {
  const [module = '', called = ''] = name.split('.');
  const counterpart = called.replace(/Sync$/, '');
  if (module === 'fs') {
    const promised = counterpart === 'exists' ? 'access' : counterpart;
    return {
      title: `Await fs.promises.${promised} in place of ${called}`,
      text: 'The file system then works while other requests are served. What each request reads in the same way is read once, when the process starts.',
      code: `import { ${promised} } from 'node:fs/promises';\nconst result = await ${promised}(...);`,
    };
  }
  const waits = module === 'child_process' ? 'the program runs' : "a thread of libuv's pool computes (4 of them; UV_THREADPOOL_SIZE)";
  return {
    title: `Await ${counterpart} in place of ${called}`,
    text: `Other requests are served while ${waits}; the work itself takes as long as before, beside them.`,
    code: `const ${counterpart}Async = promisify(${counterpart}); // node:util\nconst result = await ${counterpart}Async(...);`,
  };
}
