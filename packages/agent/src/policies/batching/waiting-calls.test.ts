import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { hookedPg, outcome, policyFor, poolOn, putInForce, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

describe('calls that wait for the end of the turn', () => {
  const read = 'SELECT value FROM counters WHERE id = $1';
  const side = (pool: pg.Pool, ids: readonly number[]) => ids.map((id) => pool.query<{ value: number }>(read, [id]));
  const valuesOf = async (calls: readonly Promise<pg.QueryResult<{ value: number }>>[]) =>
    (await Promise.all(calls)).map(({ rows }) => rows[0]!.value);

  test('are sent before a write that was asked for after them', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url, { max: 1 });
    using inForce = putInForce(observer, await policyFor(database.client, read));
    await request(async () => {
      const before = side(pool, [1, 2, 3]);
      const written = pool.query('UPDATE counters SET value = 5');
      const after = side(pool, [1, 2, 3]);
      expect(await valuesOf(before)).toEqual([0, 0, 0]);
      expect(await valuesOf(after)).toEqual([5, 5, 5]);
      await written;
    });
    expect(inForce.ended).toEqual([]);
  });

  test('are not overtaken by a connection that was asked for after them, so that nobody waits for ever', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url, { max: 1 });
    using inForce = putInForce(observer, await policyFor(database.client, read));
    await request(async () => {
      const reading = side(pool, [1, 2, 3]);
      const client = await pool.connect();
      // The application holds the only connection until its reads have ended.
      expect(await valuesOf(reading)).toEqual([0, 0, 0]);
      client.release();
    });
    expect(inForce.take()).toMatchObject({ batches: 0, callsAlone: 3 });
  });

  test('are sent as they are when the policy goes off, is revoked or its pool ends', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const policy = await policyFor(database.client, read);
    using inForce = putInForce(observer, policy);
    await request(async () => {
      const switched = side(pool, [1, 2, 3]);
      inForce.on = false;
      expect(inForce.take()).toMatchObject({ callsAlone: 3, batches: 0 });
      expect(await valuesOf(switched)).toEqual([0, 0, 0]);
      inForce.on = true;
      const revoked = side(pool, [4, 5, 6]);
      inForce.running.stop();
      expect(inForce.take()).toMatchObject({ callsAlone: 3, batches: 0 });
      expect(await valuesOf(revoked)).toEqual([0, 0, 0]);
    });
    using again = putInForce(observer, policy);
    await using ending = poolOn(database.url, { max: 3 });
    await request(async () => {
      const asked = side(ending, [7, 8, 9]);
      const ended = ending.end();
      expect(await valuesOf(asked)).toEqual([0, 0, 0]);
      await ended;
    });
    expect(again.take()).toMatchObject({ callsAlone: 3, batches: 0 });
  });

  test('that are on their way when the policy is revoked are answered', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const policy = await policyFor(database.client, read);
    const inForce = putInForce(observer, policy);
    await request(async () => {
      const calls = side(pool, [1, 2, 3, 4]);
      await nextTurn();
      expect(inForce.take()).toMatchObject({ batches: 1 });
      inForce.running.stop();
      expect(await valuesOf(calls)).toEqual([0, 0, 0, 0]);
    });
  });

  test('fail as they would have when their connection is cut', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const slow = 'SELECT id, pg_sleep($2) FROM counters WHERE id = $1';
    using inForce = putInForce(observer, await policyFor(database.client, slow));
    const running = async () =>
      (await database.client.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)).rowCount;
    const cut = async () => {
      // Asked for in the same turn it would have the batch sent as single calls.
      await nextTurn();
      await expect.poll(running, { interval: 5 }).toBe(2);
      await database.client.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    };
    const [outcomes] = await Promise.all([request(() => Promise.all([1, 2, 3].map((id) => outcome(pool.query(slow, [id, 0.6]))))), cut()]);
    // The first was cut; the others were cut as one, and ran alone on new connections.
    expect(outcomes[0]).toMatchObject({ failure: { code: '57P01' } });
    expect(outcomes.slice(1)).toMatchObject([{ rowCount: 1 }, { rowCount: 1 }]);
    expect(inForce.take()).toMatchObject({ batchesFailed: 1, callsAlone: 3 });
  });

  test('are none where a statement is asked once, or no request asks', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, read));
    for (let round = 0; round < 30; round += 1) await request(() => pool.query(read, [1]));
    expect(inForce.take()).toMatchObject({ callsAlone: 30, batches: 0 });
    await Promise.all(side(pool, [1, 2, 3, 4]));
    expect(inForce.take()).toMatchObject({ callsAlone: 0, batches: 0 });
  });

  test('are first calls too, where those of the route have always been followed by more', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, read));
    for (let round = 0; round < 8; round += 1) await request(() => Promise.all(side(pool, [1, 2, 3, 4])));
    expect(inForce.take()).toMatchObject({ callsAlone: 8, callsBatched: 24 });
    await request(() => Promise.all(side(pool, [1, 2, 3, 4])));
    expect(inForce.take()).toMatchObject({ callsAlone: 0, callsBatched: 4, batches: 1 });
  });

  test('that carry what a batch cannot are made as they are', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, read));
    await request(() =>
      Promise.all([
        pool.query(read, [1]),
        pool.query({ text: read, values: [2], query_timeout: 1_000 } as pg.QueryConfig),
        pool.query({ text: read, values: [3], binary: true } as pg.QueryConfig),
        outcome(pool.query(read, [Buffer.from('4')])),
        outcome(pool.query(read, [[5]])),
        outcome(pool.query(read, [{ six: 6 }])),
        outcome(pool.query(read, ['7\0'])),
      ]),
    );
    expect(inForce.take()).toMatchObject({ batches: 0 });
  });
});
