import { expect, test } from 'vitest';
import { sqlStatements } from './sql-statements.ts';

test.each([
  ['two statements, the last without its semicolon', 'CREATE INDEX a ON t (x);\nANALYZE t', ['CREATE INDEX a ON t (x)', 'ANALYZE t']],
  ['nothing but comments and semicolons', '-- one; two\n;;/* three; /* four; */ five */;', []],
  ['a semicolon in a string', `SELECT 'a;b', 'it''s;'; SELECT 2;`, [`SELECT 'a;b', 'it''s;'`, 'SELECT 2']],
  ['a backslash at the end of an ordinary string', String.raw`SELECT 'a\'; SELECT 2`, [String.raw`SELECT 'a\'`, 'SELECT 2']],
  ['an escaped quote in an E string', String.raw`SELECT E'a\';b'; SELECT 2`, [String.raw`SELECT E'a\';b'`, 'SELECT 2']],
  ['a quoted name', 'DROP INDEX "a;b"; SELECT 2', ['DROP INDEX "a;b"', 'SELECT 2']],
  [
    'a function body',
    'CREATE FUNCTION f() AS $body$ BEGIN; $1; END; $body$; SELECT 2',
    ['CREATE FUNCTION f() AS $body$ BEGIN; $1; END; $body$', 'SELECT 2'],
  ],
  ['a parameter, which is no dollar quote', 'EXECUTE p($1); SELECT $2$; SELECT 3', ['EXECUTE p($1)', 'SELECT $2$', 'SELECT 3']],
  ['a comment in front of a statement', '-- why; so\nANALYZE;', ['-- why; so\nANALYZE']],
])('%s', (_case, file, statements) => {
  expect(sqlStatements(file)).toEqual(statements);
});
