import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import {
  author,
  hookedPg,
  list,
  loop,
  outcome,
  policyFor,
  poolOn,
  putInForce,
  random,
  schemaSql,
  type Post,
} from '../../../test/batching.ts';

const { observer, request } = hookedPg();

describe('a loop with await', () => {
  test('asks ahead from its second call on, later from its first, and receives what it would have', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const policy = await policyFor(database.client, author, { parent: list });
    const expected = await loop(pool, 10, 30);
    using inForce = putInForce(observer, policy);
    // One to learn where the parameters come from, eight to see that the loop always goes on.
    for (let round = 0; round < 9; round += 1) {
      expect(await request(() => loop(pool, 10, 30))).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({
        callsAlone: 1,
        batches: 1,
        callsBatched: 1,
        callsAhead: 28,
        keysFetched: 29,
        timesGivenUp: 0,
      });
    }
    for (let round = 0; round < 8; round += 1) {
      expect(await request(() => loop(pool, 10, 30))).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({ callsAlone: 0, batches: 1, callsBatched: 1, callsAhead: 29, keysFetched: 30 });
    }
    expect(inForce.ended).toEqual([]);
  });

  test('may take its rows in any order, leave some out and ask for some twice', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const policy = await policyFor(database.client, author, { parent: list });
    const next = random(5);
    const shuffled = (rows: Post[]) => [...rows, ...rows.slice(0, 7)].toSorted(() => next(3) - 1).slice(0, 25);
    using inForce = putInForce(observer, policy);
    for (let round = 0; round < 20; round += 1) {
      let picked: Post[] = [];
      const found = await request(() => loop(pool, round, 40, (rows) => (picked = shuffled(rows))));
      expect(found).toStrictEqual(await loop(pool, round, 40, () => picked));
    }
    const { callsAhead, callsAlone, timesGivenUp } = inForce.take();
    expect(timesGivenUp).toBe(0);
    expect(callsAhead).toBeGreaterThan(20 * 25 * 0.8);
    expect(callsAlone).toBeLessThan(20 * 3);
  });

  test('on a connection that the application holds is answered on that connection, and left alone inside a transaction', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const policy = await policyFor(database.client, author, { parent: list });
    const expected = await loop(pool, 10, 30);
    using inForce = putInForce(observer, policy);
    // No batch is drawn to be compared with its original: that is asked on the same connection, and one call would come behind it.
    using _ = vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const client = await pool.connect();
    try {
      // A session of its own state: the same text reads another table here.
      await client.query('SELECT 1');
      expect(await request(() => loop(client, 10, 30))).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: 1, callsAhead: 28 });
      await client.query(
        'CREATE SCHEMA other; CREATE TABLE other.authors AS SELECT id, upper(name) AS name, since FROM authors; SET search_path = other, public',
      );
      const others = await loop(client, 10, 30);
      expect(await request(() => loop(client, 10, 30))).toStrictEqual(others);
      expect(others).not.toEqual(expected);
      expect(inForce.take()).toMatchObject({ callsAhead: 28 });
      await client.query('RESET search_path; BEGIN');
      expect(await request(() => loop(client, 10, 30))).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({ batches: 0, callsAhead: 0 });
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
  });

  test('that mostly ends early, or jumps, is left alone after a while', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    // What was fetched is judged when it has grown old.
    using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list, oldestMs: 1 }));
    for (let round = 0; round < 30; round += 1) await request(() => loop(pool, 0, 40, (rows) => rows.slice(0, 2)));
    expect(inForce.take()).toMatchObject({ timesGivenUp: 1 });
    await request(() => loop(pool, 0, 40));
    expect(inForce.take()).toMatchObject({ batches: 0, callsAhead: 0 });
    inForce.on = false;
    inForce.on = true;
    await request(() => loop(pool, 0, 40));
    expect(inForce.take()['batches']).toBeGreaterThan(0);
  });

  test('that dawdles is not answered from rows older than the policy allows', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list, oldestMs: 1_000 }));
    await request(async () => {
      const { rows } = await pool.query<Post>(list, [0, 6]);
      for (const [index, { authorId }] of rows.entries()) {
        if (index === 3) await sleep(1_100);
        await pool.query(author, [authorId]);
      }
    });
    // What lies behind the pause is asked for anew.
    expect(inForce.take()).toMatchObject({ batches: 2, callsAlone: 1, callsBatched: 2, callsAhead: 3, keysFetched: 8, keysDropped: 3 });
  });

  test('is answered each call as it is where one of them would fail', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const text = 'SELECT 60 / (id - 7) AS share FROM authors WHERE id = $1';
    const numbers = 'SELECT id FROM authors WHERE id <= $1 ORDER BY id';
    const shares = async () => {
      const { rows } = await pool.query<{ id: number }>(numbers, [12]);
      const found = [];
      for (const { id } of rows) found.push(await outcome(pool.query(text, [id])));
      return found;
    };
    const expected = await shares();
    using inForce = putInForce(observer, await policyFor(database.client, text, { parent: numbers }));
    expect(await request(shares)).toStrictEqual(expected);
    expect(expected[6]).toMatchObject({ failure: { code: '22012' } });
    expect(inForce.take()).toMatchObject({ batchesFailed: 1, callsAhead: 0, callsAlone: 12 });
  });
});

describe('what applications do at the wrong moment', () => {
  test('a connection given back while it is asked ahead answers what was asked of it, and serves its next holder', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url, { max: 1 });
    const expected = await loop(pool, 10, 4);
    using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list }));
    const client = await pool.connect();
    await client.query('SELECT 1');
    await request(async () => {
      const { rows } = await client.query<Post>(list, [10, 4]);
      const found = [await client.query(author, [rows[0]!.authorId])];
      const asked = client.query(author, [rows[1]!.authorId]);
      client.release();
      const next = pool.connect();
      found.push(await asked);
      const holder = await next;
      await holder.query('BEGIN');
      // The former holder still uses it, as nobody should, now inside somebody's transaction.
      found.push(await client.query(author, [rows[2]!.authorId]), await client.query(author, [rows[3]!.authorId]));
      await holder.query('ROLLBACK');
      holder.release();
      expect(found).toStrictEqual(expected);
    });
    expect(inForce.take()).toMatchObject({ callsBatched: 1, callsAhead: 0 });
    expect(inForce.ended).toEqual([]);
  });

  test('a loop that outlives its request goes on as it was written', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const expected = await loop(pool, 10, 30);
    using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list }));
    const cancelled = observer.open('GET')!;
    const found = await observer.within(cancelled, () =>
      loop(pool, 10, 30, (rows) => {
        setImmediate(() => observer.close(cancelled, { route: '/test', failed: true, responseBytes: 0 }));
        return rows;
      }),
    );
    expect(found).toStrictEqual(expected);
    expect(inForce.take()['callsAhead']).toBeLessThan(29);
    expect(inForce.ended).toEqual([]);
  });
});
