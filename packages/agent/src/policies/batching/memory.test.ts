import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { author, hookedPg, list, loop, policyFor, poolOn, putInForce, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

test('what was fetched ahead is gone with its request at the next young collection', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using pool = poolOn(database.url);
  using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list }));
  const requests = async (count: number) => {
    for (let made = 0; made < count; made += 1) await request(() => loop(pool, 10, 50));
  };
  const keptBytes = async (count: number) => {
    collect();
    const before = getHeapStatistics().used_heap_size;
    await requests(count);
    collect({ type: 'minor' });
    collect({ type: 'minor' });
    return getHeapStatistics().used_heap_size - before;
  };
  await requests(50);
  // Those that wait to be counted together are kept, of 96 as of 192 none or the same few. A full collection in between keeps
  // what it finds in the middle of a request; what is always kept is kept in every attempt.
  const perRequest: number[] = [];
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const [fewer, more] = [await keptBytes(96), await keptBytes(192)];
    perRequest.push((more - fewer) / 96);
  }
  // A batch of fifty rows is more than 20 kB, of rows, keys and parameters.
  expect(Math.min(...perRequest)).toBeLessThan(10_000);
  expect(inForce.take()['callsAhead']).toBeGreaterThan(300 * 45);
});
