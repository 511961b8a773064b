import { expect, test } from 'vitest';
import { aHeap, aProfile, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { HeapObservation, RuntimeObservation } from '../../../measurement/observations.ts';
import { garbageCollectionPressure } from './garbage-collection-pressure.ts';

const heap = aHeap({
  allocationMs: 3_000,
  allocatedBytes: 900e6,
  allocators: [
    { location: at('src/tiles.ts', 14, 'decodeTile'), sizeBytes: 600e6 },
    { location: at('src/server.ts', 3, 'handle'), sizeBytes: 100e6 },
  ],
});
const diagnose = (given: Partial<RuntimeObservation>, sampled: HeapObservation | null = heap) =>
  outcomesOf(garbageCollectionPressure, {
    'agent.profile': aProfile({ heap: sampled }),
    'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 20_000, gcMs: 5_000, gcCount: 900, ...given }),
    'agent.routes': [aRoute({ route: '/tiles/:id', requests: 3_000 })],
  });

test('tiles that are decoded into fresh buffers are found where they are allocated', () => {
  const [finding] = diagnose({}).findings;
  expect(finding).toMatchObject({ level: 'error', impact: { share: 0.25 }, subject: { key: 'src/tiles.ts#decodeTile' } });
  expect(finding!.locations).toEqual([at('src/tiles.ts', 14, 'decodeTile')]);
  // 300 MB a second over 100 requests a second.
  expect(evidenceOf(finding, 'allocated per request')).toBe(3e6);
});

test('without a sample of the heap it is found and nobody is named', () => {
  const [finding] = diagnose({}, null).findings;
  expect(finding).toMatchObject({ locations: [], subject: { key: 'garbage collection' } });
});

test('silent about a few long collections, with the reason', () => {
  const { findings, reasons } = diagnose({ gcMs: 2_100, gcCount: 6 });
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/6 collections take 10.5 % of the main thread's time/)]);
});

test('silent on a machine that is busy with others, with the reason', () => {
  const { findings, reasons } = diagnose({ cpuMs: 9_000, eventLoopUtilizationShare: 0.95 });
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(/gave the process 31.6 % of the time/)]);
});

test('without a word about a service whose objects die young', () => {
  expect(diagnose({ gcMs: 800 })).toEqual({ findings: [], reasons: [] });
});
