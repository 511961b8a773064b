import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { schemaSql } from '../../test/apps/schema.ts';
import { startTarget } from '../../test/target.ts';

/** Connections of the application that are held and asked nothing further. */
const holders = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT 1' AND state = 'idle'`;

test('callers beyond those that may wait are refused at once, whether they ask for a connection or a query; revoked, all wait again', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using target = await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '1' });
  await (await target.get('/authors/1')).text();
  const [pool] = (await target.flush()).pools;
  const policy = { kind: 'limit-pool-waiting', pool: pool!.name, maxWaiting: 2 } as const;
  // The first has the only connection before the others come; a second is far longer than those need to arrive.
  const statuses = async (heldMs = 60) => {
    const first = target.get(`/held?ms=${heldMs}`);
    await expect.poll(async () => (await database.client.query(holders)).rows).toHaveLength(1);
    const answers = await Promise.all([first, ...['/held', '/authors/1', '/held', '/authors/2', '/held'].map((path) => target.get(path))]);
    return answers.map(({ status }) => status).toSorted((one, other) => one - other);
  };

  expect(await target.ask({ type: 'apply-policy', policyId: 'limit', policy })).toMatchObject({ type: 'done' });
  // One is served and two wait; for the other three the application answers that it failed.
  expect(await statuses(1_000)).toEqual([200, 200, 200, 500, 500, 500]);
  const summary = await target.flush();
  expect(summary.policies).toEqual([{ id: 'limit', kind: 'limit-pool-waiting', on: true, figures: { refused: 3 } }]);
  expect(summary.problems).toEqual([]);
  expect(summary.pools[0]!.peakWaiting).toBe(2);

  await target.ask({ type: 'switch-policy', policyId: 'limit', on: false });
  expect(await statuses()).toEqual([200, 200, 200, 200, 200, 200]);
  await target.ask({ type: 'revoke-policy', policyId: 'limit' });
  expect(await statuses()).toEqual([200, 200, 200, 200, 200, 200]);

  const refused = { type: 'refused' };
  expect(await target.ask({ type: 'apply-policy', policyId: 'a', policy: { ...policy, maxWaiting: -1 } })).toMatchObject(refused);
  expect(await target.ask({ type: 'apply-policy', policyId: 'b', policy: { ...policy, pool: 'nowhere.js:1' } })).toMatchObject(refused);
  expect(await target.ask({ type: 'apply-policy', policyId: 'c', policy })).toMatchObject({ type: 'done' });
  expect(await target.ask({ type: 'apply-policy', policyId: 'd', policy })).toMatchObject({
    ...refused,
    reason: `the pool ${pool!.name} is already limited by the policy c`,
  });
});
