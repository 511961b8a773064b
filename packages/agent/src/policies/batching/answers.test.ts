import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { hookedPg, outcome, policyFor, poolOn, putInForce, random, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

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
