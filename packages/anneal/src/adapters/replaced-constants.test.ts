import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { createTestDatabase, serverVersion } from '../../../../test/support/test-database.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import { createSqlParser } from './sql-parser.ts';

let parser: SqlParser;
beforeAll(async () => {
  parser = await createSqlParser();
});

/** Every way in which a type stands in front of a constant (manual, 4.1.2.7, and the grammar's AexprConst): type, constant, fields. */
const typedConstants: readonly (readonly [type: string, constant: string, fields?: string])[] = [
  ['interval', `'1 day'`],
  ['INTERVAL', `'1'`, 'year'],
  ['interval', `'1'`, 'MONTH'],
  ['interval', `'1'`, 'day'],
  ['interval', `'1'`, 'hour'],
  ['interval', `'1'`, 'minute'],
  ['interval', `'1'`, 'second'],
  ['interval', `'1'`, 'second (2)'],
  ['interval', `'1-2'`, 'year to month'],
  ['interval', `'1 2'`, 'day to hour'],
  ['interval', `'1 2:03'`, 'DAY TO minute'],
  ['interval', `'1 2:03:04'`, 'day to second'],
  ['interval', `'1 2:03:04.56'`, 'day to second(1)'],
  ['interval', `'2:03'`, 'hour to minute'],
  ['interval', `'2:03:04'`, 'hour to second'],
  ['interval', `'3:04.5'`, 'minute to second ( 3 )'],
  ['interval(3)', `'1.23456'`],
  ['interval ( 0 )', `'1.23456'`],
  ['date', `'2026-01-31'`],
  ['timestamp', `'2026-01-31'`],
  ['timestamp with time zone', `'2026-01-31'`],
  ['timestamp without time zone', `'2026-01-31'`],
  ['TIMESTAMP(3) WITH TIME ZONE', `'2026-01-31 10:00:00.12345'`],
  ['timestamp (1) without time zone', `'2026-01-31 10:00:00.12345'`],
  ['timestamptz', `'2026-01-31'`],
  ['timestamptz(2)', `'2026-01-31'`],
  ['time', `'10:00'`],
  ['time(2)', `'10:00'`],
  ['time with time zone', `'10:00+01'`],
  ['time(1) with time zone', `'10:00+01'`],
  ['timetz', `'10:00+01'`],
  ['numeric', `'1.5'`],
  ['numeric(10, 2)', `'1.505'`],
  ['decimal(4)', `'15'`],
  ['dec', `'15'`],
  ['int', `'1'`],
  ['integer', `'1'`],
  ['smallint', `'1'`],
  ['bigint', `'1'`],
  ['real', `'1'`],
  ['float', `'1'`],
  ['float(3)', `'1'`],
  ['double precision', `'1'`],
  ['boolean', `'t'`],
  ['bit', `'1'`],
  ['bit(3)', `'101'`],
  ['bit varying', `'101'`],
  ['bit varying(5)', `'101'`],
  ['char', `'x'`],
  ['character(2)', `'x'`],
  ['character varying(2)', `'x'`],
  ['varchar', `'x'`],
  ['nchar', `'x'`],
  ['national character varying', `'x'`],
  ['text', `'x'`],
  ['uuid', `'6d1f7cb2-3f4c-4e0e-8c2b-000000000000'`],
  ['json', `'{"a": 1}'`],
  ['jsonb', `'{"a": 1}'`],
  ['inet', `'10.0.0.1'`],
  ['bytea', `'\\x00'`],
  ['int4range', `'[1,2)'`],
  ['pg_catalog.int8', `'8'`],
  ['"char"', `'x'`],
  ['"My É.Mood"', `'sad'`],
  ['public . "My É.Mood"', `'ok'`],
  ['date', `E'2026-01-31'`],
  ['date', `$$2026-01-31$$`],
  ['date', `$a$2026-01-31$a$`],
  ['date', `U&'\\0032026-01-31'`],
  ['date', `'2026'\n '-01-31'`],
];

const original = ([type, constant, fields]: (typeof typedConstants)[number], gap = ' ') =>
  `${type}${gap}${constant}${fields === undefined ? '' : ` ${fields}`}`;

/** `dateE'x'` is another type, and where a type's name is not of the grammar and not known, `int4range'x'` stays the name `int4range$1`. */
const mayTouch = ([type, constant]: (typeof typedConstants)[number]) => constant.startsWith("'") && !/(?:range|int8)$/u.test(type);

describe('on a real server', () => {
  const schema = `CREATE EXTENSION pg_stat_statements; CREATE TYPE "My É.Mood" AS ENUM ('sad', 'ok');
    CREATE TABLE stays (id int, note text, booked timestamptz, arrives date)`;

  /** What pg_stat_statements makes of one statement, found by a name in it, and the columns that the statement answered with. */
  async function counted(client: Awaited<ReturnType<typeof createTestDatabase>>['client'], text: string, mark: string) {
    // Statements that differ in names and white space alone are one entry, with the text that came first.
    await client.query('SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)');
    const { fields } = await client.query(text);
    const { rows } = await client.query<{ query: string }>(
      `SELECT query FROM pg_stat_statements WHERE query LIKE '%' || $1 || '%' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [`"${mark}"`],
    );
    expect(rows, text).toHaveLength(1);
    return { query: rows[0]!.query, columns: fields.map(({ dataTypeID, dataTypeModifier }) => [dataTypeID, dataTypeModifier]) };
  }

  test('every constant with its type in front is prepared again, with the precision and the fields it had', async () => {
    await using database = await createTestDatabase(schema);
    let number = 0;
    for (const typed of typedConstants) {
      for (const gap of [' ', ' /* date $1 */ -- interval $2\n', ...(mayTouch(typed) ? [''] : [])]) {
        const mark = `mark ${(number += 1)}`;
        const text = `SELECT ${original(typed, gap)} AS "${mark}"`;
        const { query, columns } = await counted(database.client, text, mark);
        const mended = parser.normalise(query);
        expect(parser.fingerprint(query), query).toBe(parser.fingerprint(text));
        expect(parser.fingerprint(mended), mended).toBe(parser.fingerprint(text));
        await database.client.query(`PREPARE mended AS ${mended}; DEALLOCATE mended`);
        const described = await database.client.query({ text: mended, values: [null] });
        expect(
          described.fields.map(({ dataTypeID, dataTypeModifier }) => [dataTypeID, dataTypeModifier]),
          mended,
        ).toEqual(columns);
      }
    }
  });

  test('a statement that mixes them has the generic plan of the one written with casts', async () => {
    await using database = await createTestDatabase(schema);
    const text = `SELECT id AS "mark a" FROM stays WHERE note LIKE'b%'AND booked > now() - interval'1'day AND arrives BETWEEN date '2026-01-01' AND date'2026-02-01'OR id=1`;
    const { query } = await counted(database.client, text, 'mark a');
    expect(query).toContain('LIKE$1AND');
    const planOf = async (prepared: string) => {
      await database.client.query(`SET plan_cache_mode = force_generic_plan; PREPARE one AS ${prepared}`);
      const { rows } = await database.client.query<object>('EXPLAIN (VERBOSE) EXECUTE one(NULL, NULL, NULL, NULL, NULL)');
      await database.client.query('DEALLOCATE one');
      return rows;
    };
    const byHand = `SELECT id AS "mark a" FROM stays WHERE note LIKE $1 AND booked > now() - $2::interval day AND arrives BETWEEN $3::date AND $4::date OR id=$5`;
    expect(await planOf(parser.normalise(query))).toEqual(await planOf(byHand));
    expect(parser.shape(query)).toEqual(parser.shape(byHand));
  });

  // EXTRACT was another function's name before.
  test.runIf(serverVersion >= 140_000)('the field of EXTRACT may be a parameter', async () => {
    await using database = await createTestDatabase(schema);
    const text = `SELECT extract(day FROM booked - interval '1' day) AS "mark a" FROM stays WHERE EXTRACT ('year' from booked) > 7`;
    const { query, columns } = await counted(database.client, text, 'mark a');
    const mended = parser.normalise(query);
    expect(mended).toBe(
      `SELECT pg_catalog.extract($1, booked - CAST($2 AS interval day)) AS "mark a" FROM stays WHERE pg_catalog.extract($3, booked) > $4`,
    );
    const { fields } = await database.client.query({ text: mended, values: [null, null, null, null] });
    expect(fields.map(({ dataTypeID, dataTypeModifier }) => [dataTypeID, dataTypeModifier])).toEqual(columns);
    expect(parser.fingerprint(query)).toBe(parser.fingerprint(text));
  });
});

test('a name that holds a parameter is one where the parameter is elsewhere, or no keyword or type is in front', () => {
  for (const text of [
    'SELECT date$1 FROM t WHERE a = $1',
    'SELECT v$1, v$2and FROM t',
    'SELECT t.date$1 FROM t',
    'SELECT "date$1" FROM t',
    `SELECT 'date$1and', $$like$1and$$ FROM t -- date$1and`,
  ]) {
    expect(parser.preparable(text)).toBe(text);
  }
  expect(parser.preparable('SELECT N$1')).toBe('SELECT CAST($1 AS pg_catalog.bpchar)');
  expect(parser.preparable('SELECT CASE WHEN a=$1 THEN$2ELSE$3END FROM t')).toBe('SELECT CASE WHEN a=$1 THEN $2 ELSE $3 END FROM t');
});

/** What has to come out as it went in: it holds the words, but not as a type in front of a parameter. */
const untouched = [
  `'date $1'`,
  `'it''s interval $1 day'`,
  `E'\\'date $1'`,
  '$q$date $1$q$',
  '"date $1"',
  '"ünï"."interval $1 day"',
  '/* date $1 */ a.date',
  'a.interval -- interval $1\n',
  'b."timestamp" /* /* time $2 */ uuid $3 */',
  '(SELECT date FROM uuid)',
  'b.at AT TIME ZONE c',
  'CAST(a AS interval day)',
  `'1 day'::interval`,
];

/** Spelt so that a cast gives them no length either. */
const unlimited = new Map([
  ['bit', 'pg_catalog.bit'],
  ['char', 'pg_catalog.bpchar'],
  ['nchar', 'pg_catalog.bpchar'],
]);

const part = fc.oneof(
  fc.constantFrom(...untouched).map((text) => ({ kind: 'untouched' as const, text })),
  fc.record({
    kind: fc.constant('typed' as const),
    typed: fc.constantFrom(...typedConstants),
    gap: fc.constantFrom(' ', '\n\t', ' /* date $9 */ ', ' -- time $9\n'),
  }),
  fc.constant({ kind: 'plain' as const }),
);

test('only a type in front of a parameter changes, whatever stands around it', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      let number = 0;
      // As the application sends it, as the server tells it, and as it can be prepared.
      const spellings = parts.map((each) => {
        if (each.kind === 'untouched') return [each.text, each.text, each.text] as const;
        const parameter = `$${(number += 1)}`;
        if (each.kind === 'plain') return ['42', parameter, parameter] as const;
        const { typed, gap } = each;
        const [type, , fields] = typed;
        const behind = fields === undefined ? '' : ` ${fields}`;
        return [
          original(typed, gap),
          `${type}${gap}${parameter}${behind}`,
          `CAST(${parameter} AS ${unlimited.get(type) ?? type}${behind})`,
        ] as const;
      });
      const [sent, told, prepared] = ([0, 1, 2] as const).map(
        (at) => `SELECT ${spellings.map((each) => each[at]).join(', ')} FROM "interval $1" a, b`,
      ) as [string, string, string];
      expect(parser.preparable(told)).toBe(prepared);
      expect(parser.preparable(prepared)).toBe(prepared);
      expect(parser.preparable(sent)).toBe(sent);
      const id = parser.fingerprint(sent);
      expect(id).not.toBeNull();
      for (const text of [told, prepared, parser.normalise(told), parser.normalise(sent)]) expect(parser.fingerprint(text)).toBe(id);
    }),
    { numRuns: 500 },
  );
});
