import { defineRule, type Level, type RuleOutcome } from '../../../finding/finding.ts';
import { bytes, percent, quantity } from '../../../finding/wording.ts';
import type { HeapObservation } from '../../../measurement/observations.ts';
import { placeName, placeOf } from '../call-sites.ts';

/** Of n values in an order drawn by chance all grow in one of n!: four are 4 in a hundred. Three are the fewest that make a line. */
const fewestCollections = 4;

/** Most services are released anew, and so started anew, at least once in a week. */
const lifetimeMs = 7 * 24 * 3600 * 1000;
const dayMs = 24 * 3600 * 1000;

/** What allocates less than a fifth of what stayed is not what grows. */
const namedShare = 0.2;

export const heapGrowth = defineRule({
  id: 'api/heap-growth',
  title: 'What stays in memory grows with every request',
  documentation: {
    what: 'After each full garbage collection of the window more was left than after the one before, under the same load.',
    why: 'What no collection takes away ends at the heap’s limit: first with ever longer collections, then with the process’s death, at the busiest hour.',
    threshold:
      'At least four full collections that each left more than all before (by chance: 4 in a hundred), and a slope that, at its smallest between any two of them, reaches the heap’s limit within a week, which is as long as most processes live. V8’s own collections are waited for; only where they show growth is one more made, when the window is over, to see who allocated what stayed.',
    fix: 'A bound for what is kept: a cache with a size and an age, listeners that are taken off, entries that are deleted.',
    falsePositives: 'It is not a defect while caches with a bound still fill: a longer warm-up or window tells.',
    sources: ['Kendall 1938: rank correlation', 'Node.js documentation, --max-old-space-size'],
  },
  requires: ['agent.profile', 'agent.routes'],
  diagnose({ 'agent.profile': { heap }, 'agent.routes': routes }): readonly RuleOutcome[] {
    if (heap === null) return [];
    const subject = 'the heap';
    const silence = (reason: string): readonly RuleOutcome[] => [{ silent: { subject, reason } }];
    const { fullCollections: points, limitBytes } = heap;
    if (points.length < fewestCollections)
      return silence(
        `${quantity(points.length)} full collection(s) in the window: at least ${fewestCollections} are needed, and none is asked for`,
      );
    if (!points.every(({ liveBytes }, index) => index === 0 || liveBytes > points[index - 1]!.liveBytes))
      return silence('after one of the full collections no more was left than before');
    const slopes = pairwise(points);
    const perMs = slopes[Math.floor(slopes.length / 2)]!;
    const leastPerMs = slopes[0]!;
    const roomBytes = Math.max(limitBytes - points.at(-1)!.liveBytes, 1);
    if (leastPerMs * lifetimeMs < roomBytes)
      return silence(`it grows by at least ${bytes(leastPerMs * dayMs)} a day: its limit of ${bytes(limitBytes)} is more than a week away`);
    const kept = heap.survivors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const growing = heap.survivors.filter(({ sizeBytes }) => sizeBytes >= namedShare * kept);
    const requests = routes.reduce((sum, route) => sum + route.requests, 0);
    const spanMs = points.at(-1)!.atMs - points[0]!.atMs;
    const share = Math.min((perMs * dayMs) / roomBytes, 1);
    const hours = roomBytes / perMs / 3_600_000;
    const level: Level = hours <= 24 ? 'error' : 'warning';
    return [
      {
        level,
        message:
          `What is left after full collections grows by ${bytes(perMs * 60_000)} a minute` +
          (growing.length === 0 ? '' : `, allocated in ${growing.map(({ location }) => placeName(location)).join(' and ')}`) +
          `: under this load the heap's limit of ${bytes(limitBytes)} is reached in ${quantity(hours)} hours.`,
        subject: { kind: 'function', key: placeOf(growing[0]?.location ?? null) ?? subject },
        locations: growing.map(({ location }) => location),
        impact: { resource: 'headroom', share, certainShare: Math.min((leastPerMs * dayMs) / roomBytes, 1) },
        evidence: [
          { label: 'full collections', value: points.length, unit: '1', provenance: 'measured', source: 'agent' },
          { label: 'left after the first', value: points[0]!.liveBytes, unit: 'By', provenance: 'measured', source: 'agent' },
          { label: 'left after the last', value: points.at(-1)!.liveBytes, unit: 'By', provenance: 'measured', source: 'agent' },
          { label: 'time between those', value: spanMs, unit: 'ms', provenance: 'measured', source: 'agent' },
          ...growing.map(
            ({ location, sizeBytes }) =>
              ({
                label: `of what stayed, allocated in ${placeName(location)}`,
                value: percent(sizeBytes / kept),
                unit: '',
                provenance: 'measured',
                source: 'heap sampling',
              }) as const,
          ),
          { label: 'requests in the window', value: requests, unit: '1', provenance: 'measured', source: 'agent' },
        ],
        costIfIgnored: `The process dies of a full heap after about ${quantity(hours)} hours of this load; before that its collections take ever longer.`,
        proposal: {
          title: 'Bound what is kept',
          text: 'Give what grows a size and an age (an LRU cache), delete entries when their reason is gone, take listeners off again.',
          code: 'const recent = new LRUCache({ max: 10_000, ttl: 600_000 }); // lru-cache',
          expected: null,
        },
      },
    ];
  },
});

/** Slopes between any two, ascending: the middle one is Theil and Sen's, the first the least that any two say. */
function pairwise(points: HeapObservation['fullCollections']): readonly number[] {
  return points
    .flatMap((late, index) =>
      points.slice(0, index).map((early) => (late.liveBytes - early.liveBytes) / Math.max(late.atMs - early.atMs, 1)),
    )
    .toSorted((one, other) => one - other);
}
