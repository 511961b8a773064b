import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { randomPageCost } from './random-page-cost.ts';

const read =
  (blocksRead: number, readMs: number) =>
  ({ 'postgres.activity': activity }: Observations): Partial<Observations> => ({
    'postgres.activity': { ...activity, blocksRead, blockReadMs: blocksRead * readMs },
  });

test('the default is questioned where pages come faster than any disk turns', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(randomPageCost, database.url, read(50_000, 0.08));
  expect(findings).toMatchObject([{ level: 'note', subject: { name: 'random_page_cost' } }]);
  expect(findings[0]!.message).toContain('a page takes 80 µs to read');
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(randomPageCost, database.url, read(50_000, 0.08))).reasons).toEqual(['random_page_cost is 1.1 times seq_page_cost']);
  await paste(database.client, findings[0]!.proposal.undo);
});

test.each([
  ['a disk that turns', 50_000, 6, 'as on a disk that turns'],
  ['few reads', 900, 0.08, 'too few to judge'],
  ['unknown times', 50_000, 0, 'track_io_timing is off'],
])('%s is no reason', async (_words, reads, readMs, reason) => {
  await using database = await createTestDatabase();
  expect((await judge(randomPageCost, database.url, read(reads, readMs))).reasons).toEqual([expect.stringContaining(reason)]);
});
