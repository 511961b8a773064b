import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text as textColumn, timestamp } from 'drizzle-orm/pg-core';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { hookedPg, policyFor, putInForce } from '../../test/batching.ts';

const { observer, request } = hookedPg();

const schemaSql = `
  CREATE TYPE mood AS ENUM ('calm', 'cross', 'odd, "very"');
  CREATE TABLE authors (id int PRIMARY KEY, name text, note text, mood mood NOT NULL, score numeric(8, 3), since timestamptz NOT NULL,
                        born date, tags text[] NOT NULL, extra jsonb, photo bytea, token uuid NOT NULL, active bool NOT NULL, big bigint NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title varchar(80) NOT NULL, code char(6) NOT NULL, words int NOT NULL);
  CREATE INDEX ON posts (author_id);
  CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL);
  INSERT INTO counters SELECT n, 0 FROM generate_series(1, 20) n;
  INSERT INTO authors
  SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE 'O''Brien "' || n || '" \\ {x,y}' END, CASE WHEN n % 3 = 0 THEN NULL ELSE 'note, ' || n % 5 END,
         (enum_range(NULL::mood))[1 + n % 3], CASE WHEN n % 4 = 0 THEN NULL ELSE n / 8.0 END,
         timestamptz '2026-01-01 12:00:00.123456+02' + n * interval '7 hours', CASE WHEN n % 6 = 0 THEN NULL ELSE date '1970-01-01' + n * 91 END,
         ARRAY['a' || n, 'b,"' || n, NULL], CASE WHEN n % 5 = 0 THEN NULL ELSE jsonb_build_object('n', n, 'deep', jsonb_build_array(1, NULL, 'x')) END,
         decode(lpad(to_hex(n), 8, '0'), 'hex'), md5(n::text)::uuid, n % 2 = 0, 9007199254740993 + n
    FROM generate_series(1, 60) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 50, 'post ' || n || CASE WHEN n % 9 = 0 THEN ' it''s' ELSE '' END, 'c' || n % 40, n % 11
    FROM generate_series(1, 400) n;
  ANALYZE;
`;

/** xorshift32, so that a failure can be seen again. */
function random(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Draw = ReturnType<typeof random>;
const maybeNull =
  <Value>(value: (draw: Draw) => Value) =>
  (draw: Draw): Value | null | undefined =>
    draw(9) === 0 ? [null, undefined][draw(2)] : value(draw);
const id = (draw: Draw) => draw(66) - 2;
const idOfAnyKind = (draw: Draw) => [id(draw), String(id(draw)), BigInt(id(draw))][draw(3)];
const day = (draw: Draw) => [new Date(Date.UTC(1970, 0, 1 + 91 * draw(62))), '1970-04-02', '  1971-01-01 '][draw(3)];

interface Case {
  readonly text: string;
  readonly draw: readonly ((draw: Draw) => unknown)[];
  /** Some of the values make the statement fail. */
  readonly fails?: boolean;
}

const cases: readonly Case[] = [
  { text: 'SELECT * FROM authors WHERE id = $1', draw: [maybeNull(idOfAnyKind)] },
  { text: 'SELECT id, title FROM posts WHERE author_id = $1 ORDER BY id;', draw: [maybeNull(id)] },
  { text: 'SELECT id, code, title FROM posts WHERE author_id = $1 ORDER BY id DESC LIMIT 2', draw: [id] },
  { text: 'SELECT id FROM posts WHERE author_id = $1 ORDER BY id LIMIT $2 OFFSET $3', draw: [id, (draw) => draw(5), (draw) => draw(3)] },
  { text: 'SELECT count(*), max(title), sum(words), avg(words) FROM posts WHERE author_id = $1', draw: [maybeNull(id)] },
  {
    text: 'SELECT p.id, a.id, a.name, p.title AS name FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.author_id = $1 ORDER BY p.id',
    draw: [id],
  },
  { text: 'SELECT id, 60 / (id - 7) AS share FROM authors WHERE id = $1', draw: [(draw) => 1 + draw(12)], fails: true },
  { text: 'SELECT id, name FROM authors WHERE note IS NOT DISTINCT FROM $1 ORDER BY id', draw: [maybeNull((draw) => `note, ${draw(6)}`)] },
  {
    text: 'SELECT id, note FROM authors WHERE name = $1 -- $1 is a name, and "quoted" \' too\n ORDER BY id',
    draw: [maybeNull((draw) => [`O'Brien "${id(draw)}" \\ {x,y}`, '', 'NULL', '{}', ' ', '\\', '"', "'; --", 'ü€😀'][draw(9)])],
  },
  { text: 'SELECT id, tags, extra FROM authors WHERE mood = $1 ORDER BY id', draw: [(draw) => ['calm', 'cross', 'odd, "very"'][draw(3)]] },
  { text: 'SELECT id, born FROM authors WHERE born = $1 ORDER BY id', draw: [maybeNull(day)] },
  {
    text: 'SELECT id FROM authors WHERE token = $1',
    draw: [(draw) => ['cfcd208495d565ef66e7dff9f98764da', 'no uuid'][draw(20) === 0 ? 1 : 0]],
    fails: true,
  },
  {
    text: 'WITH own AS (SELECT * FROM posts WHERE author_id = $1) SELECT words, count(*)::int AS n FROM own GROUP BY words ORDER BY words',
    draw: [maybeNull(id)],
  },
  { text: 'SELECT id, row_number() OVER (ORDER BY words, id) AS place FROM posts WHERE author_id = $1 ORDER BY id', draw: [id] },
  {
    text: 'SELECT id FROM authors WHERE id < $1 UNION SELECT author_id FROM posts WHERE words = $2 ORDER BY 1',
    draw: [id, (draw) => draw(12)],
  },
  { text: 'SELECT EXISTS (SELECT FROM posts WHERE author_id = $1 AND words > $2) AS any', draw: [id, maybeNull((draw) => draw(12))] },
  { text: 'SELECT DISTINCT ON (words) words, id FROM posts WHERE author_id = $1 ORDER BY words, id', draw: [id] },
  {
    text: 'SELECT id, score, since, photo, big FROM authors WHERE active = $1 AND id > $2 ORDER BY id',
    draw: [(draw) => draw(2) === 0, id],
  },
  { text: 'SELECT id FROM authors WHERE score = $1', draw: [maybeNull((draw) => [draw(70) / 8, '1.125', 'NaN', 1e3][draw(4)])] },
  { text: 'SELECT id, code FROM posts WHERE code = $1 AND author_id = $2 ORDER BY id', draw: [(draw) => `c${draw(44)}`, id] },
];

interface Failure {
  readonly failure: { readonly code: unknown; readonly message: string };
}

function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: Error & { readonly code?: unknown }): Failure => ({ failure: { code: error.code, message: error.message } }));
}

const rawValue = (value: string | Buffer) => `raw ${value.toString()}`;
const rawTypes: pg.CustomTypesConfig = { getTypeParser: () => rawValue as never };

/** The forms in which applications hand a statement over. */
function callIn(pool: pg.Pool, form: number, text: string, values: unknown[]): Promise<unknown> {
  switch (form) {
    case 0:
      return pool.query(text, values);
    case 1:
      return pool.query({ text, values, rowMode: 'array' });
    case 2:
      return pool.query({ text, types: rawTypes }, values);
    default:
      return new Promise((resolve, reject) => {
        pool.query(text, values, (error, result) => (error ? reject(error) : resolve(result)));
      });
  }
}

describe('answers', () => {
  test('of batched calls are those of the calls themselves, in every form and for every kind of statement', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    let compared = 0;
    let batched = 0;
    for (const [number, { text, draw, fails = false }] of cases.entries()) {
      const policy = await policyFor(database.client, text);
      const next = random(number + 1);
      for (let round = 0; round < 8; round += 1) {
        const calls = Array.from({ length: 20 }, () => ({ values: draw.map((one) => one(next)), form: next(4) }));
        const expected = [];
        for (const { values, form } of calls) expected.push(await outcome(callIn(pool, form, text, values)));
        using inForce = putInForce(observer, policy);
        const found = await request(() => Promise.all(calls.map(({ values, form }) => outcome(callIn(pool, form, text, values)))));
        for (const [index, result] of found.entries()) {
          expect(result, `${text} with ${String(calls[index]!.values)}`).toStrictEqual(expected[index]);
          compared += 1;
        }
        expect(inForce.ended).toEqual([]);
        const figures = inForce.take();
        // One that fails fails as a whole, and all of its calls are made as they are.
        const answered = figures['callsBatched'] === 19 ? [1, 19, 0] : [20, 0, fails ? 1 : 0];
        expect([figures['callsAlone'], figures['callsBatched'], figures['batchesFailed']]).toEqual(answered);
        batched += figures['callsBatched']!;
      }
    }
    expect(compared).toBe(cases.length * 8 * 20);
    expect(compared).toBeGreaterThanOrEqual(3_000);
    expect(batched).toBeGreaterThan(2_400);
  });
});

const list = 'SELECT id, author_id AS "authorId" FROM posts WHERE id > $1 ORDER BY id LIMIT $2';
const author = 'SELECT id, name, since FROM authors WHERE id = $1';

/** Rows of a list, then a statement for each. */
async function loop(pool: Pick<pg.Pool, 'query'>, from: number, length: number, pick = (rows: Post[]) => rows): Promise<unknown[]> {
  const posts = await pool.query<Post>(list, [from, length]);
  const found: unknown[] = [];
  for (const post of pick(posts.rows)) found.push(await pool.query(author, [post.authorId]));
  return found;
}

interface Post {
  readonly id: number;
  readonly authorId: number;
}

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
    using inForce = putInForce(observer, await policyFor(database.client, author, { parent: list, oldestMs: 500 }));
    await request(async () => {
      const { rows } = await pool.query<Post>(list, [0, 6]);
      for (const [index, { authorId }] of rows.entries()) {
        if (index === 3) await sleep(600);
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
      CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END$$;
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
    const cancelled = observer.open('GET');
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
    const cut = async () => {
      await sleep(150);
      await database.client.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    };
    const [outcomes] = await Promise.all([request(() => Promise.all([1, 2, 3].map((id) => outcome(pool.query(slow, [id, 0.4]))))), cut()]);
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

describe('through libraries', () => {
  const ids = [3, 9, 14, 7, 21, 30, 2, 11];
  const keys = `SELECT id FROM authors WHERE id IN (${ids.join(', ')}) ORDER BY id`;

  test('Drizzle asks a pool in a form of its own and receives what it would have', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const authors = pgTable('authors', {
      id: integer('id').primaryKey(),
      name: textColumn('name'),
      since: timestamp('since', { withTimezone: true }),
    });
    const db = drizzle({ client: pool });
    const find = (id: number) => db.select().from(authors).where(eq(authors.id, id));
    const oneByOne = async () => {
      const { rows } = await pool.query<{ id: number }>(keys);
      const found = [];
      for (const { id } of rows) found.push(await find(id));
      return found;
    };
    const together = () => Promise.all(ids.map(find));
    const expected = [await oneByOne(), await together()];
    using inForce = putInForce(observer, await policyFor(database.client, find(1).toSQL().sql, { parent: keys }));
    expect(await request(oneByOne)).toStrictEqual(expected[0]);
    expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: 1, callsAhead: ids.length - 2 });
    expect(await request(together)).toStrictEqual(expected[1]);
    expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: ids.length - 1 });
  });

  test('Knex asks clients of a pool of its own, each call on the one it is given', async () => {
    await using database = await createTestDatabase(schemaSql);
    const db = knex({ client: 'pg', connection: database.url, pool: { min: 0, max: 3 } });
    try {
      const find = (id: number) => db('authors').select('id', 'name', 'since').where({ id });
      const list = () => db('authors').select('id').whereNotNull('born').orderBy('id');
      const oneByOne = async () => {
        const rows = await list();
        const found = [];
        for (const { id } of rows as { id: number }[]) found.push(await find(id));
        return found;
      };
      const expected = await oneByOne();
      const sent = (query: Knex.QueryBuilder) => query.toSQL().toNative().sql;
      using inForce = putInForce(observer, await policyFor(database.client, sent(find(1)), { parent: sent(list()) }));
      expect(await request(oneByOne)).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: 1, callsAhead: expected.length - 2 });
      expect(inForce.ended).toEqual([]);
    } finally {
      await db.destroy();
    }
  });
});

describe('the shadow', () => {
  test('ends the policy where a batch does not answer as its calls do', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const text = 'SELECT id FROM posts WHERE author_id = $1 AND words = $2 ORDER BY id';
    const policy = await policyFor(database.client, text);
    const swapped = { ...policy, parametersAt: policy.parametersAt.map(({ at, number }) => ({ at, number: 3 - number })) };
    using inForce = putInForce(observer, swapped);
    for (let round = 0; round < 400 && inForce.ended.length === 0; round += 1) {
      await request(() => Promise.all([1, 2, 3, 4].map((words) => pool.query(text, [1 + ((words * 7) % 50), words]))));
    }
    expect(inForce.ended).toEqual(['a batch and its original answered differently']);
    expect(await request(() => outcome(pool.query(text, [8, 1])))).toStrictEqual(await outcome(pool.query(text, [8, 1])));
  });

  test('does not take for wrong what another process has written meanwhile', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const read = 'SELECT value FROM counters WHERE id = $1';
    using inForce = putInForce(observer, await policyFor(database.client, read));
    const writing = `const { Client } = require('pg'); const client = new Client(process.argv[1]);
      client.on('error', () => {}); client.connect().then(async () => { for (;;) await client.query('UPDATE counters SET value = value + 1'); })`;
    const writer = spawn(process.execPath, ['-e', writing, database.url], { stdio: 'ignore', env: {} });
    try {
      let explained = 0;
      for (let round = 0; round < 3_000 && explained === 0; round += 1) {
        await request(() => Promise.all([1, 2, 3].map((id) => pool.query(read, [id]))));
        explained += inForce.take()['shadowsExplained']!;
      }
      expect(explained).toBeGreaterThan(0);
      expect(inForce.ended).toEqual([]);
    } finally {
      writer.kill();
      await once(writer, 'exit');
    }
  });

  test('agrees with batches that answer rightly', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const read = 'SELECT value FROM counters WHERE id = $1';
    using inForce = putInForce(observer, await policyFor(database.client, read));
    // One batch of fifty has a shadow; that none of a thousand has one does not happen.
    for (let round = 0; round < 1_000; round += 1) await request(() => Promise.all([1, 2, 3].map((id) => pool.query(read, [id]))));
    expect(inForce.ended).toEqual([]);
    const { shadowsEqual, shadowsExplained, shadowsFailed } = inForce.take();
    expect(shadowsEqual).toBeGreaterThan(0);
    expect({ shadowsExplained, shadowsFailed }).toEqual({ shadowsExplained: 0, shadowsFailed: 0 });
  });
});

function poolOn(connectionString: string, options: pg.PoolConfig = {}): pg.Pool & AsyncDisposable {
  const pool = new pg.Pool({ connectionString, max: 4, ...options });
  // The database is dropped with its connections.
  pool.on('error', () => undefined);
  return Object.assign(pool, { [Symbol.asyncDispose]: () => (pool.ended || pool.ending ? Promise.resolve() : pool.end()) });
}
