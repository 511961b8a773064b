import { beforeAll, expect, test } from 'vitest';
import type { SqlParser } from '../ports/sql-parser.ts';
import { printQuery } from '../ports/sql-print.ts';
import { createSqlParser } from './sql-parser.ts';

let parser: SqlParser;
beforeAll(async () => {
  parser = await createSqlParser();
});

const printed = (text: string, constants: 'shown' | 'masked' = 'shown') => {
  const query = parser.shape(text)?.query;
  return query == null ? null : printQuery(query, { constants });
};

/** What a parse tree means, whatever the places and the spelling. */
const meaning = (text: string) => parser.fingerprint(text);

test.each([
  'SELECT 1',
  `SELECT DISTINCT o.id, count(*) AS n FROM shop.orders AS o JOIN items AS i ON i.order_id = o.id LEFT JOIN (a CROSS JOIN b) ON a.x = o.x WHERE o.x NOT IN (SELECT y FROM z) AND o.c::date = $1 GROUP BY 1 HAVING count(*) > 0 ORDER BY o.id DESC NULLS LAST LIMIT 20 OFFSET $2 FOR UPDATE OF o SKIP LOCKED`,
  'SELECT (a + b) * c - (d - e), -a, a - -1, (-1)::int, NOT (a AND (b OR c)), (a = b) IS NOT TRUE, a || b || c, a ^ b ^ c FROM t',
  `SELECT x::numeric(10, 2), a::int4[], '1 day'::interval, EXTRACT(year FROM t), date_trunc('day', t), "Odd ""Name""", 'it''s', E'back\\\\slash' FROM "T t"`,
  `SELECT a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC b AND c, a IN (1, 2), a NOT IN (1), a LIKE 'x%', a NOT ILIKE b, a IS DISTINCT FROM b, a IS NULL, b IS NOT FALSE FROM t`,
  'SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, CASE WHEN a THEN b END, COALESCE(a, b), GREATEST(a, b), NULLIF(a, b), CURRENT_TIMESTAMP, ARRAY[1, 2], ARRAY(SELECT 1) FROM t',
  'SELECT a = ANY ($1), a <> ALL ($2::int[]), a = ANY (SELECT b FROM u), a IN (SELECT 1), EXISTS (SELECT FROM u), (SELECT max(x) FROM u) FROM t',
  'WITH w AS MATERIALIZED (SELECT 1 AS x) (SELECT x FROM w ORDER BY x LIMIT 1) UNION ALL (SELECT 2 UNION SELECT 3) ORDER BY 1',
  `SELECT string_agg(a, ',' ORDER BY b DESC) FILTER (WHERE a <> ''), count(DISTINCT a) FROM t, LATERAL (SELECT 1) AS s`,
  `SELECT d -> 'a' ->> 'b', d @> '{}'::jsonb, (d ->> 'n')::int4 + 1 FROM t JOIN u USING (id, k)`,
  'SELECT ROW(a, b) < ROW($1, $2), t.* FROM t',
])('what is read is printed again with the same meaning: %s', (text) => {
  const print = printed(text);
  expect(print).not.toBeNull();
  expect(meaning(print!)).toBe(meaning(text));
  expect(printed(print!)).toBe(print);
});

test.each([
  'SELECT a[1] FROM t',
  'SELECT DISTINCT ON (a) a FROM t',
  'SELECT rank() OVER (ORDER BY a) FROM t',
  'SELECT * FROM t TABLESAMPLE SYSTEM (1)',
  'SELECT * FROM t AS x (a, b)',
  'SELECT * FROM ONLY t',
  'SELECT * FROM a NATURAL JOIN b',
  'WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r',
  'WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d',
  'SELECT a COLLATE "C" FROM t',
  'SELECT * FROM generate_series(1, 2)',
  'SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES',
  'VALUES (1)',
  'SELECT a INTO u FROM t',
  'SELECT count(*) FROM t GROUP BY ROLLUP (a)',
  `SELECT f(variadic a) FROM t`,
  `SELECT f(x => 1) FROM t`,
  'UPDATE t SET a = 1',
])('what the tree has no place for is not half understood: %s', (text) => {
  expect(parser.shape(text)).not.toBeNull();
  expect(parser.shape(text)!.query).toBeNull();
});

test('what may be a value is masked; units, bounds and page lengths are structure', () => {
  expect(
    printed(`SELECT a FROM t WHERE b = 'secret' AND c > 4711 AND d = $1 AND date_trunc('day', e) = 'x' AND n > 0 LIMIT 20`, 'masked'),
  ).toBe(`SELECT a FROM t WHERE b = $2 AND c > $3 AND d = $1 AND date_trunc('day', e) = $4 AND n > 0 LIMIT 20`);
});
