import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { bytes, milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName, placeOf } from '../call-sites.ts';
import { computingShare, mainThreadMs } from '../main-thread.ts';

/** Collecting what dies young costs a per cent or two of the CPU; at a tenth it is the difference between one machine and the next larger one. */
const pressureShare = 0.1;

/** What allocates less than a fifth is not where the pressure comes from. */
const namedShare = 0.2;

/** V8 collects with several threads that wait for each other: where the machine gives the process less than that of its time, a pause is the machine's. */
const leastComputingShare = 2 / 3;

export const garbageCollectionPressure = defineRule({
  id: 'api/garbage-collection-pressure',
  title: 'The process collects garbage for a good part of its time',
  documentation: {
    what: 'A tenth of the main thread’s time or more goes into stopping and collecting what requests allocated.',
    why: 'Every collection stops the main thread; the more requests there are, the more often, so the share grows with the load and shows in the slowest answers first.',
    threshold:
      'A tenth of the time that the main thread is at work, certainly, while a service whose objects die young spends one or two hundredths. Named are the functions that allocate a fifth or more of the bytes sampled, where the warm-up already gave reason to ask.',
    fix: 'Allocate less where most is allocated: no copies in loops, streams in place of whole documents, fewer rows. Where that is not possible, a larger young generation (--max-semi-space-size).',
    falsePositives: 'It is not a defect in a process that is started with a heap too small for what it keeps: then that is.',
    sources: ['Jones, Hosking, Moss: The Garbage Collection Handbook, 9: generations', 'Node.js documentation, --max-semi-space-size'],
  },
  requires: ['agent.runtime', 'agent.profile', 'agent.routes'],
  diagnose({ 'agent.runtime': runtime, 'agent.profile': { heap }, 'agent.routes': routes }): readonly RuleOutcome[] {
    const share = shareOf(runtime.gcMs, mainThreadMs(runtime));
    if (share < pressureShare) return [];
    const subject = 'garbage collection';
    if (computingShare(runtime) < leastComputingShare) {
      const reason = `the machine gave the process ${percent(computingShare(runtime))} of the time it wanted: how long its collections took says nothing of it`;
      return [{ silent: { subject, reason } }];
    }
    const certain = certainShare(share, runtime.gcCount);
    if (certain < pressureShare)
      return [
        {
          silent: {
            subject,
            reason: `${quantity(runtime.gcCount)} collections take ${percent(share)} of the main thread's time, ${percent(certain)} of it certain: below ${percent(pressureShare)}`,
          },
        },
      ];
    const allocators = (heap?.allocators ?? []).filter(({ sizeBytes }) => sizeBytes >= namedShare * heap!.allocatedBytes);
    const requests = routes.reduce((sum, route) => sum + route.requests, 0);
    const perSecond = heap === null || heap.allocationMs === 0 ? null : (heap.allocatedBytes * 1000) / heap.allocationMs;
    const perRequest = perSecond === null || requests === 0 ? null : (perSecond * runtime.windowMs) / 1000 / requests;
    const names = allocators.map(({ location, sizeBytes }) => `${placeName(location)} (${percent(sizeBytes / heap!.allocatedBytes)})`);
    return [
      {
        level: levelOf(certain),
        message:
          `${percent(share)} of the main thread's time goes into collecting garbage, ${milliseconds(runtime.gcMs / runtime.gcCount)} at a time` +
          (perRequest === null ? '' : `: requests allocate ${bytes(perRequest)} each`) +
          (names.length === 0 ? '.' : `, most of it in ${names.join(' and ')}.`),
        subject: { kind: 'function', key: placeOf(allocators[0]?.location ?? null) ?? subject },
        locations: allocators.map(({ location }) => location),
        impact: { resource: 'cpu-time', share, certainShare: certain },
        evidence: [
          { label: 'time in collections', value: runtime.gcMs, unit: 'ms', provenance: 'measured', source: 'agent' },
          { label: 'collections', value: runtime.gcCount, unit: '1', provenance: 'measured', source: 'agent' },
          { label: 'time the main thread was at work', value: mainThreadMs(runtime), unit: 'ms', provenance: 'measured', source: 'agent' },
          ...(perRequest === null
            ? []
            : [
                { label: 'allocated per request', value: perRequest, unit: 'By', provenance: 'measured', source: 'heap sampling' } as const,
              ]),
        ],
        costIfIgnored: `${percent(share)} of the main thread's time, in pauses that stop every request under way; it grows with the load.`,
        proposal: {
          title: 'Allocate less where most is allocated',
          text:
            (names.length === 0 ? '' : `${names.join(' and ')} allocate most. `) +
            'Avoid copies in loops and intermediate lists, send documents through as text, read fewer rows. ' +
            'A young generation of 64 MB (--max-semi-space-size=64) makes collections rarer at the price of that memory.',
          code: 'node --max-semi-space-size=64 ...',
          expected: { point: -share / 2, lower: -share, upper: 0, confidenceLevel: 0.95 },
        },
      },
    ];
  },
});
