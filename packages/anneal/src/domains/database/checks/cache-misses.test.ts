import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { cacheMisses } from './cache-misses.ts';

/** A database of 10 GB on a machine of 16 GB that has read so much, with a cache of 128 MB. */
const busy =
  (missShare: number, readBytes = 1e12) =>
  ({
    'postgres.activity': activity,
    'postgres.configuration': settings,
    'postgres.server': server,
  }: Observations): Partial<Observations> => {
    const blocksRead = readBytes / 8192;
    return {
      'postgres.activity': { ...activity, blocksRead, blocksHit: blocksRead / missShare - blocksRead, blockReadMs: blocksRead * 0.1 },
      'postgres.configuration': { ...settings, shared_buffers: { shown: '128MB', value: 128 * 1024 ** 2, source: 'configuration file' } },
      'postgres.server': { ...server, databaseSizeBytes: 10e9, memoryBytes: 16 * 1024 ** 3 },
    };
  };

test.each([
  [0.009, []],
  [0.011, ['note']],
  [0.11, ['warning']],
])('%d of page accesses miss', async (share, levels) => {
  await using database = await createTestDatabase();
  const { findings } = await judge(cacheMisses, database.url, busy(share));
  expect(findings.map(({ level }) => level)).toEqual(levels);
  for (const { proposal, evidence } of findings) {
    expect(proposal).toMatchObject({
      code: expect.stringContaining("shared_buffers = '4096MB'"),
      undo: expect.stringContaining("'128MB'"),
    });
    expect(evidence).toContainEqual(expect.objectContaining({ label: 'time per page read', value: expect.closeTo(0.1) }));
  }
});

test('filling the cache is no miss, and a database that fits it has none', async () => {
  await using database = await createTestDatabase();
  expect((await judge(cacheMisses, database.url, busy(0.5, 1e9))).reasons).toEqual([expect.stringContaining('7.45 times its size in all')]);
  expect((await judge(cacheMisses, database.url)).reasons).toEqual([expect.stringContaining('fits shared_buffers')]);
});
