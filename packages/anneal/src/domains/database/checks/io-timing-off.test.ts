import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { ioTimingOff } from './io-timing-off.ts';

const reading =
  (shown: string, blocksRead: number) =>
  ({ 'postgres.activity': activity, 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
    'postgres.activity': { ...activity, blocksHit: 1_000_000, blocksRead },
    'postgres.configuration': { ...settings, track_io_timing: { shown, value: null, source: 'default' } },
  });

test('a database that reads much without timing it is told so', async () => {
  await using database = await createTestDatabase();
  expect((await judge(ioTimingOff, database.url, reading('off', 40_000))).findings).toMatchObject([
    { level: 'note', subject: { name: 'track_io_timing' } },
  ]);
});

test('one that hardly reads, or times it, is silent', async () => {
  await using database = await createTestDatabase();
  expect((await judge(ioTimingOff, database.url, reading('off', 9_000))).reasons).toEqual([
    expect.stringContaining('their time would tell little'),
  ]);
  expect((await judge(ioTimingOff, database.url, reading('on', 40_000))).reasons).toEqual(['track_io_timing is on']);
});
