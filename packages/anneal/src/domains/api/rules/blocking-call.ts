import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { ProfiledFunction } from '../../../measurement/observations.ts';
import { residualDelayMs } from '../../../prediction/queueing.ts';
import { poissonRateInterval } from '../../../stats/poisson.ts';
import { placeName, placeOf } from '../call-sites.ts';
import { computingShare } from '../main-thread.ts';

/** An event loop that one call keeps for this long makes every other request wait noticeably; the agent counts stretches from here on. */
const blockingMs = 10;

/** Calls whose work is JSON: api/heavy-serialisation's cause. The frameworks write it inside their send. */
const serialisers = /(?:^|\.)(?:stringify|serialize|serialise|toJSON|send|json)$/i;

export const blockingCall = defineRule({
  id: 'api/blocking-call',
  title: 'The event loop is blocked by one call',
  documentation: {
    what: 'A function keeps the main thread for ten milliseconds or more at a time; every other request waits meanwhile.',
    why: 'If such stretches of length d come r times a second, whoever arrives at random waits r·d²/2 on average (the residual life of a queue), so one long stretch hurts more than many short ones.',
    threshold:
      'Stretches of 10 ms or more in one function, beyond what chance makes of short calls that successive samples meet (95 % interval), which certainly take the share of CPU time asked for (1 % by default).',
    fix: 'The asynchronous form of the call, a worker thread, or the work in portions that let the loop turn.',
    falsePositives: 'It is not a defect in a process that serves nobody meanwhile: a worker, a start-up, a batch.',
    sources: ['Kleinrock, Queueing Systems I: residual life', 'Node.js documentation, Don’t Block the Event Loop'],
  },
  requires: ['agent.profile', 'agent.runtime', 'agent.routes'],
  diagnose({ 'agent.profile': profile, 'agent.runtime': runtime, 'agent.routes': routes }, settings) {
    const requests = routes.reduce((sum, route) => sum + route.requests, 0);
    return profile.functions.flatMap((profiled): RuleOutcome[] => {
      if (profiled.blockingStretches === 0) return [];
      const place = placeName(profiled.location);
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: place, reason } }];
      const { heaviestCallee } = profiled;
      if (heaviestCallee !== null && serialisers.test(heaviestCallee))
        return silence('what blocks is serialisation: api/heavy-serialisation');
      if (couldBeChance(profiled, profile.intervalUs / 1000, runtime.windowMs)) {
        return silence('it is often on the stack and short: successive samples met it in different calls as often as chance would');
      }
      const share = shareOf(profiled.blockingMs, runtime.cpuMs);
      const certain = certainShare(share, profiled.blockingStretches);
      if (certain < settings.minimumShare) {
        return silence(
          `its ${quantity(profiled.blockingStretches)} stretches of 10 ms or more take ${percent(share)} of the process's CPU, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }

      const stretchMs = profiled.blockingMs / profiled.blockingStretches;
      // Stretches are told by the clock: what the machine gave to others meanwhile is in them.
      const computedMs = stretchMs * computingShare(runtime);
      if (computedMs < blockingMs) {
        return silence(
          `its stretches of ${milliseconds(stretchMs)} are ${milliseconds(computedMs)} of computing on a machine that gave the process ${percent(computingShare(runtime))} of the time it wanted`,
        );
      }
      // Only those that were drawn out are counted, so their mean says more than is so: short calls have some, of the time that was taken.
      const stretchedShare = shareOf(profiled.blockingMs, profiled.selfMs);
      const takenShare = 1 - computingShare(runtime);
      if (stretchedShare < takenShare) {
        return silence(
          `${percent(stretchedShare)} of its time is in stretches of 10 ms or more, and the machine took ${percent(takenShare)} of the process's time for others: that alone draws short calls out as much`,
        );
      }
      const perSecond = (profiled.blockingStretches * 1000) / runtime.windowMs;
      // The mean of the squares is at least the square of the mean: this is the least the others wait.
      const delayMs = residualDelayMs(perSecond, stretchMs ** 2);
      const work = heaviestCallee === null ? 'its own computation' : heaviestCallee;
      return [
        {
          level: levelOf(certain),
          message:
            `${place} blocks the event loop ${quantity(perSecond)} times a second for ${milliseconds(stretchMs)} (longest ${milliseconds(profiled.longestStretchMs)}) in ${work}: ` +
            `${percent(share)} of the process's CPU, and every other request waits ${milliseconds(delayMs)} longer on average.`,
          subject: { kind: 'function', key: placeOf(profiled.location)! },
          locations: [profiled.location],
          impact: { resource: 'cpu-time', share, certainShare: certain },
          evidence: [
            {
              label: 'stretches of 10 ms or more',
              value: profiled.blockingStretches,
              unit: '1',
              provenance: 'measured',
              source: 'CPU profile',
            },
            { label: 'time in them', value: profiled.blockingMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
            { label: 'longest stretch', value: profiled.longestStretchMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
            { label: 'heaviest synchronous call', value: work, unit: '', provenance: 'measured', source: 'CPU profile' },
            { label: 'time in that call', value: profiled.heaviestCalleeMs, unit: 'ms', provenance: 'measured', source: 'CPU profile' },
            {
              label: 'added wait of every other request',
              value: delayMs,
              unit: 'ms',
              provenance: 'predicted',
              source: 'residual life, r·d²/2',
            },
            {
              label: 'the same for all requests of the window',
              value: delayMs * requests,
              unit: 'ms',
              provenance: 'predicted',
              source: 'residual life, r·d²/2',
            },
            {
              label: 'interval between samples',
              value: profile.intervalUs / 1000,
              unit: 'ms',
              provenance: 'measured',
              source: 'CPU profile',
            },
          ],
          costIfIgnored: `Every request that arrives meanwhile waits up to ${milliseconds(profiled.longestStretchMs)}; no second core can help, since there is one event loop.`,
          proposal: { ...proposalFor(heaviestCallee), expected: { point: -share, lower: -share, upper: -certain, confidenceLevel: 0.95 } },
        },
      ];
    });
  },
});

/**
 * Two successive samples in one function look like a stretch, also when they met two short calls. Of
 * calls that have nothing to do with each other the next sample meets the function with the share p
 * of the time it runs, so chance joins p of its time into stretches. Only what is beyond that, at the
 * lower end of the 95 % interval of the samples seen, is a function that does not let go.
 */
function couldBeChance({ selfMs, blockingMs }: ProfiledFunction, intervalMs: number, windowMs: number): boolean {
  const joinedSamples = Math.floor(blockingMs / intervalMs);
  return poissonRateInterval(joinedSamples, 0.95).lower * intervalMs <= selfMs * shareOf(selfMs, windowMs);
}

function proposalFor(callee: string | null): { readonly title: string; readonly text: string; readonly code: string | null } {
  const name = callee?.split('.').at(-1) ?? '';
  const counterpart = /^(\w+)Sync$/.exec(name)?.[1];
  if (counterpart === undefined) {
    return {
      title: 'Move the computation off the event loop',
      text: 'Run it in a worker thread, or cut it into pieces of a few milliseconds with `await setImmediate()` of node:timers/promises between them, or keep its result.',
      code: "const worker = new Worker(new URL('./computation.js', import.meta.url), { workerData: input });\nconst [result] = await once(worker, 'message');",
    };
  }
  return {
    title: `Call ${counterpart} in place of ${name}`,
    text:
      `${name} computes on the main thread; ${counterpart} does the same in libuv's thread pool (4 threads; UV_THREADPOOL_SIZE) while other requests are served. ` +
      'The work takes as much CPU as before, on another core; the caller becomes async.',
    code: `const ${counterpart}Async = promisify(${counterpart}); // node:util\nconst result = await ${counterpart}Async(...);`,
  };
}
