import { describe, expect, test } from 'vitest';
import { aHeap, aProfile, aRoute, at } from '../../../finding/fixtures/observations.ts';
import { outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { HeapObservation } from '../../../measurement/observations.ts';
import { heapGrowth } from './heap-growth.ts';

/** Megabytes left after full collections five seconds apart. */
const left = (...megabytes: readonly number[]) => megabytes.map((value, index) => ({ atMs: 5_000 * (index + 1), liveBytes: value * 1e6 }));
const growing = aHeap({
  fullCollections: left(80, 86, 91, 97, 102),
  survivors: [
    { location: at('src/sessions.ts', 18, 'remember'), sizeBytes: 15e6 },
    { location: at('src/server.ts', 3, 'handle'), sizeBytes: 1e6 },
  ],
});
const diagnose = (heap: HeapObservation | null) =>
  outcomesOf(heapGrowth, { 'agent.profile': aProfile({ heap }), 'agent.routes': [aRoute({ route: '/sessions' })] });

describe('sessions that nobody forgets', () => {
  const [finding] = diagnose(growing).findings;

  test('are found where they are allocated, with the hours that are left', () => {
    expect(finding).toMatchObject({ level: 'error', subject: { key: 'src/sessions.ts#remember' }, impact: { resource: 'headroom' } });
    expect(finding!.locations).toEqual([at('src/sessions.ts', 18, 'remember')]);
    // 1.1 MB a second against 1.9 GB.
    expect(finding!.message).toMatch(/grows by 66 MB a minute/);
    expect(finding!.message).toMatch(/in 0\.479 hours/);
  });
});

test('without a sample of what stayed nobody is named', () => {
  expect(diagnose({ ...growing, survivors: [] }).findings).toMatchObject([{ locations: [], subject: { key: 'the heap' } }]);
});

test.each<[string, HeapObservation, RegExp]>([
  ['too few collections', { ...growing, fullCollections: left(80, 90, 100) }, /3 full collection\(s\)/],
  ['a heap that goes up and down', { ...growing, fullCollections: left(80, 90, 84, 92, 95) }, /no more was left than before/],
  ['what would take months', { ...growing, fullCollections: left(80, 80.005, 80.01, 80.02) }, /more than a week away/],
])('silent about %s, with the reason', (_name, heap, reason) => {
  const { findings, reasons } = diagnose(heap);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where the heap was not sampled', () => {
  expect(diagnose(null)).toEqual({ findings: [], reasons: [] });
});
