import { expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import fc from 'fast-check';
import { maskLiterals, maskStrings } from './sql-literals.ts';

test('strings of every kind, numbers and comments are masked, identifiers and parameters stay', () => {
  expect(
    maskLiterals(
      `SELECT t1."na'me 7", $2 FROM t1 WHERE a = 'it''s me' AND b > 1.5e-3 AND c = E'x\\'y' AND d = $q$secret$q$ /* trace 9 */ AND e = B'01' -- 42`,
    ),
  ).toBe(`SELECT t1."na'me 7", $2 FROM t1 WHERE a = '?' AND b > ? AND c = '?' AND d = '?'   AND e = '?'  `);
});

test('a pattern keeps the wildcards at its ends, so that its anchoring can still be told', () => {
  expect(maskLiterals(`(body ~~ '%secret%'::text) OR (name ~~ 'ab%'::text)`)).toBe(`(body ~~ '%?%'::text) OR (name ~~ '?%'::text)`);
});

test('a string or comment that is left open hides everything behind it', () => {
  expect(maskLiterals(`SELECT 'abc, secret`)).toBe(`SELECT '?'`);
  expect(maskLiterals(`SELECT 1 /* secret`)).toBe(`SELECT ?  `);
  expect(maskLiterals('SELECT $a$ secret $b$')).toBe(`SELECT '?'`);
});

test('a comment inside a comment ends before the outer one', () => {
  expect(maskLiterals('SELECT a /* one /* two */ secret */ FROM t /* x */, "/* y"')).toBe('SELECT a   FROM t  , "/* y"');
  expect(maskLiterals('SELECT a /* one /* secret */ secret')).toBe('SELECT a  ');
  expect(maskLiterals(`SELECT ${'/* '.repeat(100_000)}`)).toBe('SELECT  ');
});

test('numbers that are structure can stay', () => {
  expect(maskStrings(`SELECT a FROM t WHERE b = 'x' ORDER BY 1`)).toBe(`SELECT a FROM t WHERE b = '?' ORDER BY 1`);
});

test('whatever a quoted literal holds, it does not come out', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const literal = `'${value.replaceAll("'", "''")}'`;
      const masked = maskLiterals(`SELECT a FROM t WHERE b = ${literal} AND c = d`);
      expect(masked.replaceAll('%', '').replaceAll("'?'", '').replaceAll("''", '')).toBe('SELECT a FROM t WHERE b =  AND c = d');
    }),
  );
});
