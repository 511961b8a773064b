import { beforeAll, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import fc from 'fast-check';
import type { SqlParser, StatementShape } from '../ports/sql-parser.ts';
import { createSqlParser } from './sql-parser.ts';

let parser: SqlParser;
beforeAll(async () => {
  parser = await createSqlParser();
});

const shape = (text: string): StatementShape => parser.shape(text)!;

test('texts that differ in constants, case and white space have one fingerprint; a batched look-up has its own', () => {
  const single = parser.fingerprint('SELECT * FROM invoices WHERE id = $1');
  expect(single).toMatch(/^[0-9a-f]{16}$/);
  expect(parser.fingerprint('select *\n  from invoices where id=42')).toBe(single);
  expect(parser.fingerprint('SELECT * FROM invoices WHERE id = ANY($1)')).not.toBe(single);
  expect(parser.fingerprint('SELECT * FROM invoices WHERE id IN (1, 2)')).toBe(
    parser.fingerprint('SELECT * FROM invoices WHERE id IN ($1 /*, ... */)'),
  );
});

test('normalised text holds no constant and no comment, whatever the statement', () => {
  expect(parser.normalise(`/* trace=abc */ SELECT a FROM t WHERE b = 'secret' AND c = 7 LIMIT 20; `)).toBe(
    'SELECT a FROM t WHERE b = $1 AND c = $2 LIMIT $3',
  );
  for (const text of [
    `PREPARE p AS SELECT 'secret'`,
    `COMMENT ON TABLE t IS 'secret'`,
    `CREATE ROLE r PASSWORD 'secret'`,
    `NOTIFY c, 'secret'`,
    `SELECT WHERE 'secret'`,
    `SELECT 'secret`,
    `EXECUTE p('secret')`,
    `SELECT 1 -- secret`,
    'DO $$ BEGIN PERFORM $x$secret$x$; END $$',
  ]) {
    expect(parser.normalise(text)).not.toContain('secret');
  }
});

test('hostile text is unknown instead of an error, and the parser survives it', () => {
  for (const text of [
    '',
    ';',
    '\0',
    'SELEC',
    "SELECT 'x",
    `SELECT ${'('.repeat(50_000)}`,
    `SELECT ${'1+'.repeat(60_000)}1`,
    'SELECT 1; DROP TABLE t',
  ]) {
    expect(parser.shape(text)).toBeNull();
  }
  expect(parser.fingerprint(`SELECT ${'not '.repeat(40_000)}true`)).toBeNull();
  expect(parser.fingerprint('SELECT 1')).toMatch(/^[0-9a-f]{16}$/);
});

test('nothing thrown at it makes it throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('SELECT', '*', 'FROM', 't', 'WHERE', "'", '$1', '(', ')', '=', '$$', '/*', 'é', ';', ',', 'ANY')),
      (words) => {
        const text = words.join(' ');
        parser.fingerprint(text);
        parser.shape(text);
        expect(typeof parser.normalise(text)).toBe('string');
      },
    ),
  );
});

test('conditions know their column, operator, constant and the table they belong to', () => {
  const { tables, predicates, joins } = shape(
    `SELECT o.id FROM shop.orders o JOIN customers c ON c.id = o.customer_id
     WHERE o.status = 'open' AND lower(c.email) = $1 AND o.total BETWEEN $2 AND 100 AND $3 < o.placed_at AND o.meta @> $4
       AND o.note ILIKE '%x%' AND o.cancelled_at IS NULL AND o.region = ANY($5) AND o.kind IN ('a', 'b') AND NOT o.test AND o.code ~ $6`,
  );
  expect(tables).toEqual([
    { schema: 'shop', name: 'orders', alias: 'o' },
    { schema: null, name: 'customers', alias: 'c' },
  ]);
  expect(joins).toEqual([{ left: { qualifier: 'c', column: 'id' }, right: { qualifier: 'o', column: 'customer_id' } }]);
  expect(predicates.map(({ qualifier, expression, operator, constant }) => [qualifier, expression, operator, constant])).toEqual([
    ['o', 'status', '=', `'open'`],
    ['c', 'lower(email)', '=', null],
    ['o', 'total', 'between', null],
    ['o', 'placed_at', '>', null],
    ['o', 'meta', '@>', null],
    ['o', 'note', 'ilike', `'%x%'`],
    ['o', 'cancelled_at', 'is null', null],
    ['o', 'region', 'in', null],
    ['o', 'kind', 'in', null],
    ['o', 'test', '=', 'false'],
    ['o', 'code', 'regex', null],
  ]);
  expect(predicates[1]?.column).toBe('email');
});

test('expressions come out as an index would take them', () => {
  const expressions = shape(
    `SELECT 1 FROM "Events" WHERE data ->> 'kind' = $1 AND at::date = $2 AND coalesce(a, b) = 1 AND "user" = $3 AND date_trunc('day', at) > $4 AND data -> $5 = $6`,
  ).predicates.map(({ expression, column }) => [expression, column]);
  expect(expressions).toEqual([
    [`(data ->> 'kind')`, 'data'],
    ['(at::date)', 'at'],
    ['COALESCE(a, b)', null],
    ['"user"', 'user'],
    [`date_trunc('day', at)`, 'at'],
  ]);
});

test('arms of an OR are marked, since no index on one of them alone can serve the condition', () => {
  const { predicates } = shape('SELECT 1 FROM messages WHERE room = $1 AND (sender_id = $2 OR recipient_id = $2)');
  expect(predicates.map(({ column, alternative }) => [column, alternative ?? false])).toEqual([
    ['room', false],
    ['sender_id', true],
    ['recipient_id', true],
  ]);
});

test('a keyset condition ranges over its first column', () => {
  expect(shape('SELECT 1 FROM t WHERE (created_at, id) < ($1, $2)').predicates).toMatchObject([{ column: 'created_at', operator: '<=' }]);
});

test('subqueries and CTEs are read on their own level, and a CTE is no table', () => {
  const { tables, predicates, joins } = shape(
    `WITH recent AS (SELECT id, sensor_id FROM readings WHERE taken_at > $1)
     SELECT s.name, (SELECT count(*) FROM alerts WHERE sensor_id = s.id AND level = $2)
     FROM sensors s JOIN recent ON recent.sensor_id = s.id
     WHERE site_id IN (SELECT id FROM sites WHERE tenant_id = $3) AND EXISTS (SELECT * FROM owners ow WHERE ow.sensor_id = s.id)`,
  );
  expect(tables.map(({ name }) => name)).toEqual(['readings', 'sensors', 'alerts', 'sites', 'owners']);
  expect(predicates.map(({ qualifier, column }) => [qualifier, column])).toEqual([
    ['readings', 'taken_at'],
    ['alerts', 'level'],
    ['sites', 'tenant_id'],
  ]);
  expect(new Set(joins.map(({ left, right }) => `${left.qualifier}.${left.column} = ${right.qualifier}.${right.column}`))).toEqual(
    new Set(['alerts.sensor_id = s.id', 'recent.sensor_id = s.id', 'ow.sensor_id = s.id', 'null.site_id = sites.id']),
  );
});

test('one alias for two tables on two levels does not confuse them', () => {
  const { tables, predicates } = shape('SELECT (SELECT max(x.b) FROM second x WHERE x.k = $1) FROM first x WHERE x.k = $2');
  expect(tables.map(({ name, alias }) => [name, alias])).toEqual([
    ['first', 'x'],
    ['second', null],
  ]);
  expect(predicates.map(({ qualifier }) => qualifier)).toEqual(['second', 'x']);
});

test('order, limit and offset are those of the page, also when the page is a subquery', () => {
  expect(shape('SELECT a AS x, lower(b) FROM t ORDER BY x DESC, 2 LIMIT 20 OFFSET $1')).toMatchObject({
    orderBy: [
      { qualifier: 't', expression: 'a', direction: 'desc' },
      { qualifier: 't', expression: 'lower(b)', direction: 'asc' },
    ],
    hasLimit: true,
    hasOffset: true,
    offsetParameter: 1,
  });
  expect(
    shape('SELECT p.*, c.n FROM (SELECT id FROM posts WHERE a = $1 ORDER BY created_at DESC LIMIT $2) p JOIN c USING (id)'),
  ).toMatchObject({
    orderBy: [{ qualifier: 'posts', expression: 'created_at', direction: 'desc' }],
    joins: [{ left: { qualifier: 'p', column: 'id' }, right: { qualifier: 'c', column: 'id' } }],
    selectsStar: true,
  });
  expect(shape('SELECT a FROM t LIMIT 5 OFFSET 0').hasOffset).toBe(false);
  expect(shape('SELECT a FROM t LIMIT 5 OFFSET ($2 - 1) * $1').offsetParameter).toBe(2);
});

test('writes name their target first, and what they assign', () => {
  expect(shape('INSERT INTO a.t (x) SELECT y FROM u WHERE z = 1 ON CONFLICT (x) DO UPDATE SET hits = t.hits + 1')).toMatchObject({
    kind: 'insert',
    tables: [{ schema: 'a', name: 't' }, { name: 'u' }],
    predicates: [{ qualifier: 'u', column: 'z' }],
    assignedColumns: ['hits'],
  });
  expect(shape('UPDATE t SET (a, b) = (1, 2) FROM u WHERE u.id = t.uid AND u.k = $1')).toMatchObject({
    kind: 'update',
    predicates: [{ qualifier: 'u', column: 'k' }],
    joins: [{ left: { column: 'id' } }],
    assignedColumns: ['a', 'b'],
  });
  expect(shape('DELETE FROM t USING u WHERE u.id = t.uid').kind).toBe('delete');
  expect(shape('BEGIN').kind).toBe('other');
});

test('aggregates and grouping are told of the level that makes the page; window functions are no aggregates', () => {
  expect(shape('SELECT day, count(*) FROM t GROUP BY day')).toMatchObject({ aggregates: true, groups: true });
  expect(shape('SELECT sum(a) OVER (PARTITION BY b) FROM t')).toMatchObject({ aggregates: false, groups: false });
  expect(shape('SELECT (SELECT count(*) FROM u WHERE u.t_id = t.id) FROM t ORDER BY a LIMIT 5')).toMatchObject({
    aggregates: false,
    hasLimit: true,
  });
});

test('every column a statement names is known, with the alias it belongs to and whether rows are grouped by it', () => {
  const columns = (text: string) =>
    shape(text).columns!.map(({ qualifier, column, role }) => `${qualifier ?? '?'}.${column}${role === 'grouped' ? ' grouped' : ''}`);
  expect(columns('SELECT status AS s, count(*) FROM orders o WHERE total > $1 GROUP BY s HAVING sum(paid) > 3 ORDER BY o.at')).toEqual([
    'o.status',
    'o.total',
    'o.paid',
    'o.at',
    'o.status grouped',
  ]);
  expect(columns('SELECT DISTINCT a.x, y FROM a JOIN b USING (z)')).toEqual(['a.z', 'b.z', 'a.x', '?.y', 'a.x grouped', '?.y grouped']);
});
