import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { requestedCheckpoints } from './requested-checkpoints.ts';

const counted =
  (timed: number, requested: number, walBytesPerSecond: number | null = null) =>
  ({ 'postgres.checkpoints': read, 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
    'postgres.checkpoints': { ...read, timed, requested, walBytesPerSecond, countedMs: 24 * 3_600_000 },
    'postgres.configuration': {
      ...settings,
      max_wal_size: { shown: '1GB', value: 1024 ** 3, source: 'default' },
      checkpoint_timeout: { shown: '5min', value: 300_000, source: 'default' },
    },
  });

test('max_wal_size is to hold twice the log of one interval', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(requestedCheckpoints, database.url, counted(10, 50, 20e6));
  expect(findings[0]!.proposal).toMatchObject({
    code: expect.stringContaining("max_wal_size = '12GB'"),
    undo: expect.stringContaining("'1GB'"),
  });
});

test.each([
  ['mostly timed ones', counted(30, 29)],
  ['too few to tell', counted(0, 11)],
  ['those that no log can have forced', counted(10, 500, 10_000)],
  [
    'a replica',
    ({ 'postgres.server': server, ...read }: Observations) => ({
      ...counted(1, 90)({ 'postgres.server': server, ...read }),
      'postgres.server': { ...server, isReplica: true },
    }),
  ],
])('%s are in order', async (_words, change) => {
  await using database = await createTestDatabase();
  expect((await judge(requestedCheckpoints, database.url, change)).findings).toEqual([]);
});
