import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { hookedPg, policyFor, poolOn, putInForce, random, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

describe('a write', () => {
  const counters = 'SELECT id FROM counters ORDER BY id';
  const read = 'SELECT value FROM counters WHERE id = $1';
  const increment = 'UPDATE counters SET value = value + 1 WHERE id = $1';

  type Write = (pool: pg.Pool, id: number) => Promise<unknown>;
  const writers: Readonly<Record<string, Write>> = {
    'through the pool': (pool, id) => pool.query(increment, [id]),
    'on a connection of its own': async (pool, id) => {
      const client = await pool.connect();
      try {
        await client.query(increment, [id]);
      } finally {
        client.release();
      }
    },
    'in a transaction': async (pool, id) => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query(increment, [id]);
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
    'inside a function that a SELECT calls': (pool, id) => pool.query('SELECT bump($1)', [id]),
    'in several statements at once': (pool, id) => pool.query(`SELECT 1; UPDATE counters SET value = value + 1 WHERE id = ${id}`),
    'of another request': (pool, id) => request(() => pool.query(increment, [id])),
    'with a callback': (pool, id) =>
      new Promise((resolve, reject) => {
        pool.query(increment, [id], (error, result) => (error ? reject(error) : resolve(result)));
      }),
  };

  test.for(Object.entries(writers))('%s inside a loop is seen by the reads after it', async ([, write]) => {
    await using database = await createTestDatabase(schemaSql);
    await database.client.query(
      'CREATE FUNCTION bump(which int) RETURNS int LANGUAGE sql AS $$UPDATE counters SET value = value + 1 WHERE id = which RETURNING value$$',
    );
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, read, { parent: counters }));
    const values = new Map<number, number>();
    const next = random(11);
    let reads = 0;
    let stale = 0;
    for (let round = 0; round < 50; round += 1) {
      await request(async () => {
        const { rows } = await pool.query<{ id: number }>(counters);
        for (const { id } of rows) {
          const { rows: found } = await pool.query<{ value: number }>(read, [id]);
          reads += 1;
          if (found[0]!.value !== (values.get(id) ?? 0)) stale += 1;
          if (next(5) > 0) continue;
          // One that the loop will come to, most of the time.
          const written = Math.min(id + 1 + next(3), 20);
          await write(pool, written);
          values.set(written, (values.get(written) ?? 0) + 1);
        }
      });
      // The policy stays on, however little it is worth here.
      inForce.running.switch(true);
    }
    expect({ reads, stale }).toEqual({ reads: 1_000, stale: 0 });
    const { callsAhead, keysDropped } = inForce.take();
    expect(callsAhead).toBeGreaterThan(100);
    expect(keysDropped).toBeGreaterThan(100);
  });

  test('through a method that the application had wrapped before keeps loops from asking ahead', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url, { max: 1 });
    pool.on('connect', (client) => {
      Object.assign(client, { query: client.query.bind(client) });
    });
    await pool.query('SELECT 1');
    using inForce = putInForce(observer, await policyFor(database.client, read, { parent: counters }));
    await request(async () => {
      await pool.query(counters);
      for (const id of [1, 2, 3]) await pool.query(read, [id]);
      const client = await pool.connect();
      await client.query('UPDATE counters SET value = 7');
      client.release();
      expect((await pool.query(read, [4])).rows).toEqual([{ value: 7 }]);
    });
    expect(inForce.take()).toMatchObject({ batches: 0, callsAlone: 4 });
  });

  test('whose commit is under way keeps a loop from asking ahead of it', async () => {
    await using database = await createTestDatabase(schemaSql);
    await database.client.query(`
      CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(1); RETURN NULL; END$$;
      CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON counters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()`);
    await using pool = poolOn(database.url);
    using inForce = putInForce(observer, await policyFor(database.client, read, { parent: counters }));
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('UPDATE counters SET value = 7 WHERE id = 5');
    const committed = client.query('COMMIT').finally(() => client.release());
    await request(async () => {
      await pool.query(counters);
      await pool.query(read, [1]);
      await pool.query(read, [2]);
      await committed;
      await pool.query(read, [3]);
      expect((await pool.query(read, [4])).rows).toEqual([{ value: 0 }]);
      expect((await pool.query(read, [5])).rows).toEqual([{ value: 7 }]);
    });
    expect(inForce.take()).toMatchObject({ callsAlone: 2, batches: 1, callsAhead: 2 });
  });

  test('under way, or committed while rows are fetched ahead, is never missed by a loop that begins after it', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url, { max: 8 });
    using inForce = putInForce(observer, await policyFor(database.client, read, { parent: counters }));
    const acknowledged = new Map<number, number>();
    const state = { reads: 0, stale: 0, stopped: false };
    const next = random(3);
    const writer = async (offset: number, write: Write) => {
      for (let turn = 0; !state.stopped; turn += 1) {
        const id = 1 + ((turn * 4 + offset) % 20);
        await write(pool, id);
        acknowledged.set(id, (acknowledged.get(id) ?? 0) + 1);
        await sleep(next(12));
      }
    };
    const reader = async () => {
      while (state.reads < 3_000) {
        await request(async () => {
          const { rows } = await pool.query<{ id: number }>(counters);
          for (const { id } of rows) {
            // Whatever was acknowledged before a read is asked for has to be in it.
            const least = acknowledged.get(id) ?? 0;
            const { rows: found } = await pool.query<{ value: number }>(read, [id]);
            state.reads += 1;
            if (found[0]!.value < least) state.stale += 1;
          }
        });
        inForce.running.switch(true);
      }
      state.stopped = true;
    };
    const ways = [writers['through the pool']!, writers['in a transaction']!, writers['on a connection of its own']!];
    await Promise.all([reader(), reader(), ...ways.map((write, index) => writer(index, write))]);
    expect(state.stale).toBe(0);
    expect(inForce.take()['callsAhead']).toBeGreaterThan(300);
  });
});
