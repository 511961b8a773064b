import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import type { SqlParser } from '../../../ports/sql-parser.ts';
import { printQuery } from '../../../ports/sql-print.ts';
import type { Query } from '../../../ports/sql-tree.ts';
import { type Random, seededRandom } from '../../../stats/random.ts';
import { observeDatabase } from '../fixtures/observed-database.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { countToExists } from './count-to-exists.ts';
import { keysetPages } from './keyset-pages.ts';
import { joinToSemiJoin } from './join-to-semi-join.ts';
import { notInToNotExists } from './not-in-to-not-exists.ts';
import { orToUnion } from './or-to-union.ts';
import type { Rewriter } from './rewrite.ts';
import { sargableRange } from './sargable-range.ts';
import { unionToUnionAll } from './union-to-union-all.ts';

/** Few values, many NULLs and duplicates, and the ends of the calendar: where rewrites go wrong. */
const schema = `
  CREATE TABLE a (id int PRIMARY KEY, x int, n int NOT NULL, s text, b boolean, t timestamp, z timestamptz, d date);
  CREATE TABLE b (id int PRIMARY KEY, a_id int, v int, w int NOT NULL, s text);
  CREATE TABLE c (k int NOT NULL, a_id int, v int);`;

/** Midnight comes twice there, on 27 October 2024, and not at all on 31 March. */
const zone = 'Atlantic/Azores';

let database: TestDatabase;
let parser: SqlParser;
let facts: SchemaFacts;

beforeAll(async () => {
  database = await createTestDatabase(schema);
  parser = await createSqlParser();
  const observed = await observeDatabase(database.url, []);
  facts = { columns: observed['postgres.columns'], indexes: observed['postgres.indexes'], tables: observed['postgres.tables'] };
  await database.client.query(`SET timezone = '${zone}'`);
});
afterAll(() => database[Symbol.asyncDispose]());

const pick = <T>(random: Random, items: readonly T[]): T => items[random.integer(0, items.length - 1)]!;
const maybe = (random: Random, value: string, share = 0.3) => (random.next() < share ? 'NULL' : value);

const moments = [
  '2024-03-30 23:30',
  '2024-03-31 00:30',
  '2024-03-31 12:00',
  '2024-10-26 23:15',
  '2024-10-27 00:00',
  '2024-02-29 23:59:59.999999',
  '2024-12-31 23:59',
  '2025-01-01 00:00',
  '2024-10-28 00:00',
  'infinity',
  '-infinity',
];

/** Absolute moments around the changes of the clock, where one local time means two of them. */
const instants = [
  ...moments,
  '2024-10-27 00:10+00',
  '2024-10-27 00:50+00',
  '2024-10-27 01:10+00',
  '2024-03-31 00:59+00',
  '2024-03-31 01:00+00',
];

async function fill(random: Random): Promise<void> {
  const whole = () => maybe(random, String(random.integer(0, 3)));
  const word = () => maybe(random, `'${pick(random, ['p', 'q', ''])}'`);
  const rows = (make: (id: number) => string) => Array.from({ length: random.integer(0, 20) }, (_, id) => `(${make(id)})`);
  const time = (from: readonly string[], type: string) => maybe(random, `'${pick(random, from)}'::${type}`, 0.1);
  const tables = {
    a: rows(
      (id) =>
        `${id}, ${whole()}, ${random.integer(0, 3)}, ${word()}, ${pick(random, ['true', 'false', 'NULL'])}, ${time(moments, 'timestamp')}, ${time(instants, 'timestamptz')}, ${time(moments, 'timestamp')}`,
    ),
    b: rows((id) => `${id}, ${maybe(random, String(random.integer(0, 8)))}, ${whole()}, ${random.integer(0, 3)}, ${word()}`),
    c: rows(() => `${random.integer(0, 2)}, ${maybe(random, String(random.integer(0, 8)))}, ${whole()}`),
  };
  await database.client.query('TRUNCATE a, b, c');
  for (const [name, values] of Object.entries(tables)) {
    if (values.length > 0) await database.client.query(`INSERT INTO ${name} VALUES ${values.join(', ')}`);
  }
}

interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly string[];
}

/** Rows with names and types of their columns; sorted where the statement leaves the order open. */
async function answerOf(text: string, values: readonly unknown[], ordered: boolean): Promise<Answer> {
  const { fields, rows } = await database.client.query({ text, values: [...values], rowMode: 'array' });
  const lines = (rows as unknown[][]).map((row) => JSON.stringify(row));
  return { columns: fields.map(({ name, dataTypeID }) => `${name}:${dataTypeID}`), rows: ordered ? lines : lines.sort() };
}

interface Case {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** The statement's own ORDER BY leaves no choice. */
  readonly ordered?: boolean;
}

let comparisons = 0;
let rowsCompared = 0;

async function compare(rewriter: Rewriter, { text, values = [], ordered = false }: Case): Promise<void> {
  const query = parser.shape(text)?.query;
  const rewritten = query == null ? null : rewriter(query, facts);
  if (rewritten === null || 'refused' in rewritten) throw new Error(`not rewritten: ${text}: ${JSON.stringify(rewritten)}`);
  const other = printQuery(rewritten.query, { constants: 'shown' });
  const [expected, found] = [await answerOf(text, values, ordered), await answerOf(other, values, ordered)];
  expect(found, `${text}\n${other}`).toEqual(expected);
  comparisons += 1;
  rowsCompared += expected.rows.length;
}

const statements: Readonly<Record<string, { readonly rewriter: Rewriter; readonly make: (random: Random) => Case }>> = {
  'NOT IN to NOT EXISTS': {
    rewriter: notInToNotExists,
    make(random) {
      const operand = pick(random, ['x', 'a.n', 'n + x', '$1::int']);
      const listed = pick(random, ['v', 'w', 'b.v + b.w', 'a_id']);
      const inner = pick(random, ['', ' WHERE w > 1', ' WHERE b.a_id = a.id', ` WHERE s = 'p' OR v IS NULL`]);
      const rest = pick(random, ['', ' AND n > 0', ' AND (b OR x = 1)']);
      const form = pick(random, [
        `${operand} NOT IN (SELECT ${listed} FROM b${inner})`,
        `${operand} <> ALL (SELECT ${listed} FROM b${inner})`,
      ]);
      return { text: `SELECT * FROM a WHERE ${form}${rest}`, values: operand.startsWith('$') ? [pick(random, [0, 1, null])] : [] };
    },
  },
  'OR to UNION ALL': {
    rewriter: orToUnion,
    make(random) {
      const all = ['x = 1', 'n = 2', `s = 'p'`, 'b', 'x IS NULL', 'n > x', `s LIKE 'q%'`];
      const rest = pick(random, ['', ' AND n < 3', ' AND x IS NOT NULL']);
      const page = pick(random, [
        ['', false],
        [' ORDER BY id', true],
        [' ORDER BY n DESC, id LIMIT 3', true],
        [' ORDER BY x NULLS FIRST, id DESC LIMIT 2', true],
        [' ORDER BY 1 LIMIT 4', true],
        [' ORDER BY id LIMIT 2 OFFSET 1', true],
        [' ORDER BY n', false],
      ] as const);
      const arms = random.shuffle(all).slice(0, random.integer(2, 3));
      // Alternatives on one column are left alone.
      if (arms.every((arm) => arm[0] === arms[0]![0])) arms.push('b');
      const from = pick(random, ['id, x, n, s FROM a', 'id, x, 1, n FROM a', 'id, n, x AS other FROM a']);
      return { text: `SELECT ${from} WHERE (${arms.join(' OR ')})${rest}${page[0]}`, ordered: page[1] };
    },
  },
  'OR over a join to UNION ALL': {
    rewriter: orToUnion,
    make(random) {
      const condition = pick(random, ['a.x = 1 OR b.v = 2', `a.s = 'p' OR b.s = 'p'`, 'a.n = b.w OR b.v IS NULL']);
      const join = pick(random, ['JOIN', 'LEFT JOIN']);
      return { text: `SELECT a.s, b.v FROM a ${join} b ON b.a_id = a.id WHERE ${condition}` };
    },
  },
  'function on a column to a range': {
    rewriter: sargableRange,
    make(random) {
      const operator = pick(random, ['=', '<', '<=', '>', '>=', '=']);
      const [column, type, from] = pick(random, [
        ['t', 'timestamp', moments],
        ['z', 'timestamptz', instants],
      ] as const);
      const given = maybe(random, pick(random, from), 0.05);
      const value = given === 'NULL' ? null : given;
      const unit = pick(random, ['hour', 'day', 'week', 'month', 'quarter', 'year']);
      const day = given === 'NULL' || given.includes('infinity') ? given : given.slice(0, 10);
      const year = pick(random, ['2024', '2025', '2024.5', '0', '-5', '99999999999', 'NaN', null]);
      return pick<Case>(random, [
        { text: `SELECT id FROM a WHERE date_trunc('${unit}', ${column}) ${operator} date_trunc('${unit}', $1::${type})`, values: [value] },
        { text: `SELECT id FROM a WHERE date_trunc('${unit}', ${column}) ${operator} $1`, values: [value] },
        { text: `SELECT id FROM a WHERE ${column}::date ${operator} $1`, values: [day === 'NULL' ? null : day] },
        { text: `SELECT id FROM a WHERE $1 ${operator} date(${column}) AND n >= 0`, values: [day === 'NULL' ? null : day] },
        { text: `SELECT id FROM a WHERE EXTRACT(year FROM ${column}) ${operator} $1`, values: [year] },
        { text: `SELECT id FROM a WHERE EXTRACT(year FROM d) ${operator} 2024` },
        { text: `SELECT id FROM a WHERE date_trunc('month', d) ${operator} $1`, values: [value] },
      ]);
    },
  },
  'count to EXISTS': {
    rewriter: countToExists,
    make(random) {
      const comparison = pick(random, ['> 0', '>= 1', '<> 0', '= 0', '< 1', '<= 0']);
      const counted = pick(random, [
        'count(*)',
        'count(v)',
        'count(DISTINCT v)',
        'count(1)',
        'count(*) FILTER (WHERE v = 1)',
        'count(v) FILTER (WHERE w > 1)',
      ]);
      const inner = `(SELECT ${counted} FROM b WHERE b.a_id = a.id)`;
      return pick<Case>(random, [
        { text: `SELECT id FROM a WHERE ${inner} ${comparison}` },
        { text: `SELECT id, ${inner} ${comparison} FROM a` },
        { text: `SELECT id, CASE WHEN ${inner} ${comparison} THEN 'y' ELSE 'n' END AS has FROM a` },
        { text: `SELECT ${counted} ${comparison} FROM b WHERE w = $1`, values: [random.integer(0, 3)] },
        { text: `SELECT ${counted} ${comparison} AS taken FROM b JOIN a ON a.id = b.a_id` },
        { text: `SELECT 0 < count(*) FROM c WHERE k = 1` },
      ]);
    },
  },
  'join to semi-join': {
    rewriter: joinToSemiJoin,
    make(random) {
      const inner = pick(random, ['', ' AND b.w > 1', ' AND b.v = a.x', ' AND n > 1']);
      const chain = pick(random, [' JOIN b ON b.a_id = a.id', ', b', ' JOIN b ON b.a_id = a.id JOIN c ON c.a_id = a.id AND c.v = b.v']);
      const where = chain === ', b' ? ` WHERE b.a_id = a.id${inner}` : ` WHERE n >= 0${inner}`;
      return pick<Case>(random, [
        { text: `SELECT DISTINCT a.id, x, a.s FROM a${chain}${where}` },
        { text: `SELECT DISTINCT x, a.s FROM a${chain}${where}` },
        { text: `SELECT DISTINCT a.* FROM a${chain}${where} ORDER BY a.id LIMIT 3`, ordered: true },
        { text: `SELECT DISTINCT n AS grade FROM a${chain}${where} ORDER BY grade`, ordered: true },
        { text: `SELECT a.id, x FROM a${chain}${where} GROUP BY a.id, x ORDER BY a.id DESC`, ordered: true },
        { text: `SELECT a.id FROM a${chain}${where} GROUP BY 1` },
      ]);
    },
  },
  'UNION to UNION ALL': {
    rewriter: unionToUnionAll,
    make(random) {
      const third = pick(random, ['', ` UNION SELECT id, n, 'r' FROM a WHERE s = 'p'`]);
      const page = pick(random, ['', ' ORDER BY 3, 1', ' ORDER BY kind, id LIMIT 5']);
      return {
        text: `SELECT id, x AS v, 'p' AS kind FROM a WHERE n > ${random.integer(0, 2)} UNION SELECT id, v, 'q' FROM b${third}${page}`,
        ordered: page !== '',
      };
    },
  },
};

describe('a rewrite answers as the original does, on tables full of NULLs and duplicates', () => {
  test.each(Object.entries(statements))('%s', async (name, { rewriter, make }) => {
    const random = seededRandom(20_26, name);
    const [before, rowsBefore] = [comparisons, rowsCompared];
    for (let filling = 0; filling < 14; filling += 1) {
      await fill(random);
      for (let statement = 0; statement < 12; statement += 1) await compare(rewriter, make(random));
    }
    expect(comparisons - before).toBe(14 * 12);
    // Empty answers agree with everything: they must be the fewer.
    expect(rowsCompared - rowsBefore).toBeGreaterThan((14 * 12) / 2);
  });
});

test('pages that begin behind the last row are the pages that OFFSET gives, row by row', async () => {
  const random = seededRandom(20_26, 'keyset');
  let pages = 0;
  for (let filling = 0; filling < 12; filling += 1) {
    await fill(random);
    for (const order of ['id', 'id DESC', 'n', 'n DESC', 'n, id DESC', 'n DESC, id', '2 DESC', 'a.n ASC, a.id ASC']) {
      const where = pick(random, ['', ' WHERE n > $3', ' WHERE n > $3 OR x IS NULL']);
      const text = `SELECT id, n, s FROM a${where} ORDER BY ${order} LIMIT $1 OFFSET $2`;
      const found = keysetPages(parser.shape(text)!.query!, facts);
      if (found === null || 'refused' in found) throw new Error(`${text}: ${JSON.stringify(found)}`);
      const print = (query: Query) => printQuery(query, { constants: 'shown' });
      const rest = where === '' ? [] : [1];
      // The same total order, by page number.
      const sorted = printQuery({ ...found.first, offset: { kind: 'parameter', number: 2 } }, { constants: 'shown' });
      let last: Record<string, unknown> | undefined;
      for (let page = 0; ; page += 1) {
        const expected = (await database.client.query(sorted, [3, page * 3, ...rest])).rows as Record<string, unknown>[];
        const given: unknown[] = [3, null, ...rest];
        for (const { column, parameter } of found.keys) given[parameter - 1] = last?.[column.name];
        const first = print(found.first).replace('$3', '$2');
        const answer =
          page === 0 ? await database.client.query(first, [3, ...rest]) : await database.client.query(print(found.next), given);
        expect(answer.rows).toEqual(expected);
        pages += 1;
        last = expected.at(-1);
        if (last === undefined) break;
      }
    }
  }
  expect(pages).toBeGreaterThan(200);
});

test.each([
  ['SELECT id FROM a ORDER BY x LIMIT $1 OFFSET $2', /may be NULL/],
  ['SELECT a.id FROM a JOIN b ON b.a_id = a.id ORDER BY a.n LIMIT $1 OFFSET $2', /not total/],
  ['SELECT k FROM c ORDER BY k LIMIT $1 OFFSET $2', /not total/],
  ['SELECT id FROM a ORDER BY n DESC, s IS NULL LIMIT $1 OFFSET $2', /an expression/],
  ['SELECT DISTINCT n FROM a ORDER BY n LIMIT $1 OFFSET $2', /groups/],
])('pages without a place to begin at are left to OFFSET: %s', (text, reason) => {
  expect(keysetPages(parser.shape(text)!.query!, facts)).toMatchObject({ refused: expect.stringMatching(reason) });
});
