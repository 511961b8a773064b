import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import { aStatement } from '../../finding/fixtures/observations.ts';
import { batchedForm } from './batched-form.ts';

const parser = await createSqlParser();
const form = (text: string) => {
  const shape = parser.shape(text);
  return batchedForm(aStatement({ id: text, text, shape, kind: shape?.kind ?? 'other' }));
};

const schema = `
  CREATE TABLE invoices (id bigint PRIMARY KEY, customer_id bigint NOT NULL, state text NOT NULL, cents bigint NOT NULL);
  INSERT INTO invoices SELECT n, n % 7, CASE WHEN n % 3 = 0 THEN 'open' ELSE 'paid' END, n * 100 FROM generate_series(1, 60) n`;

/** One statement per case; its calls are made one by one and together, and the rows compared. */
const cases: readonly { readonly text: string; readonly calls: readonly (readonly unknown[])[]; readonly keyed: 'key' | 'number' }[] = [
  { text: 'SELECT id, cents FROM invoices WHERE customer_id = $1', calls: [[1], [2], [99]], keyed: 'key' },
  { text: 'SELECT i.* FROM invoices i WHERE i.id = $1', calls: [[4], [5]], keyed: 'key' },
  { text: 'SELECT count(*)::int AS total, sum(cents)::int AS cents FROM invoices WHERE customer_id = $1', calls: [[1], [3]], keyed: 'key' },
  { text: 'SELECT id FROM invoices WHERE customer_id = $1 ORDER BY cents DESC LIMIT 2', calls: [[1], [2], [3]], keyed: 'number' },
  {
    text: 'SELECT id FROM invoices WHERE customer_id = $1 AND cents > $2 ORDER BY id',
    calls: [
      [1, 300],
      [2, 4000],
    ],
    keyed: 'number',
  },
  { text: 'SELECT DISTINCT state FROM invoices WHERE customer_id = $1', calls: [[1], [6]], keyed: 'number' },
  { text: 'SELECT state, count(*)::int AS n FROM invoices WHERE customer_id = $1 GROUP BY state', calls: [[1], [5]], keyed: 'number' },
  { text: 'SELECT id FROM invoices WHERE customer_id = $1 OR id = $1', calls: [[2], [3]], keyed: 'number' },
  {
    text: 'WITH own AS (SELECT * FROM invoices WHERE customer_id = $1) SELECT max(cents)::int AS most FROM own',
    calls: [[0], [4]],
    keyed: 'number',
  },
  { text: 'SELECT id FROM invoices WHERE customer_id = $1 ORDER BY id LIMIT 2 OFFSET 1', calls: [[1], [2]], keyed: 'number' },
];

test.each(cases)('gives the rows of the calls it replaces: $text', async ({ text, calls, keyed }) => {
  await using database = await createTestDatabase(schema);
  const together = form(text)!;
  const arrays = calls[0]!.map((_, parameter) => calls.map((call) => call[parameter]));
  const answer = await database.client.query<Record<string, unknown>>(together, arrays);
  for (const [index, call] of calls.entries()) {
    const alone = await database.client.query<Record<string, unknown>>(text, [...call]);
    const own = answer.rows.filter((row) => Number(row[keyed]) === (keyed === 'key' ? Number(call[0]) : index + 1));
    const withoutKey = own.map(({ [keyed]: _key, ...row }) => row);
    expect(canonical(withoutKey)).toEqual(canonical(alone.rows));
  }
});

/** Rows as a set where the statement gives no order; sorting both sides is what the Map by key does. */
function canonical(rows: readonly Record<string, unknown>[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

test('an equality becomes = ANY and carries its key', () => {
  expect(form('SELECT name FROM sensors WHERE site_id = $1')).toBe('SELECT site_id AS key, name FROM sensors WHERE site_id = ANY($1)');
});

test('other writes, locks and statements without parameters have no such form', () => {
  expect(form('UPDATE readings SET value = $1 WHERE id = $2')).toBeNull();
  expect(form('SELECT id FROM jobs WHERE queue = $1 FOR UPDATE SKIP LOCKED')).toBeNull();
  expect(form('SELECT now()')).toBeNull();
  expect(form('SELECT FROM WHERE $1')).toBeNull();
});

test('rows inserted one by one are inserted together, with what comes back and what is left out', async () => {
  const single = 'INSERT INTO guests (code, name) VALUES ($1, $2) ON CONFLICT (code) DO NOTHING RETURNING code, name';
  const together = form(single)!;
  const rows = [
    ['a', 'Ada'],
    ['b', null],
    ['a', 'Ada again'],
    ['c', 'Cem'],
  ];
  await using database = await createTestDatabase('CREATE TABLE guests (code text PRIMARY KEY, name text)');
  const returned: unknown[] = [];
  for (const row of rows) returned.push(...(await database.client.query(single, row)).rows);
  const one = (await database.client.query('TABLE guests')).rows;
  await database.client.query('TRUNCATE guests');
  const answer = await database.client.query(together, [rows.map(([code]) => code), rows.map(([, name]) => name)]);
  expect(answer.rows).toEqual(returned);
  expect((await database.client.query('TABLE guests')).rows).toEqual(one);
});

test.each([
  'INSERT INTO t (a, b) VALUES ($1, now())',
  'INSERT INTO t (a, b) VALUES ($1, $1)',
  'INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = 1',
  'INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = $2',
  'INSERT INTO t (a) SELECT $1',
])('an INSERT that has no safe form for many rows is left alone: %s', (text) => {
  expect(form(text)).toBeNull();
});
