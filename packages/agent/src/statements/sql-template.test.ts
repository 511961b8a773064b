import { expect, test } from 'vitest';
import { sqlTemplate } from './sql-template.ts';

const text = (sql: string) => sqlTemplate(sql).text;

test('literals of every kind disappear, so that nothing personal is left to store', () => {
  expect(text("SELECT * FROM users WHERE email = 'ann@example.com' AND age > 41")).toBe('SELECT * FROM users WHERE email = ? AND age > ?');
  expect(text("SELECT 'it''s secret', E'a\\'secret', U&'secret', B'0101', x'1F'")).toBe('SELECT ?, ?, ?, ?, ?');
  expect(text('SELECT $$secret$$, $tag$a $$ secret$tag$, 1.5e-3, .5, 0x1F, 1_000')).toBe('SELECT ?, ?, ?, ?, ?, ?');
  expect(text("SELECT 1 -- password = 'secret'\n, 2 /* also /* nested */ secret */ FROM t")).toBe('SELECT ? , ? FROM t');
});

test('what is not ended hides the rest rather than show it', () => {
  expect(text("SELECT 'secret")).toBe('SELECT ?');
  expect(text('SELECT $x$secret')).toBe('SELECT ?');
  expect(text('SELECT 1 /* secret')).toBe('SELECT ?');
});

test('identifiers, parameters and operators stay, whatever digits they hold', () => {
  const sql = 'SELECT t1.a2, "Column 3", $1::int4 FROM table_5 t1 WHERE a2 = $2';
  expect(sqlTemplate(sql)).toEqual({ text: sql, hasLiterals: false });
  expect(text('SELECT tags[1:2] FROM t')).toBe('SELECT tags[?:?] FROM t');
});

test('texts that differ only in white space or in the length of a list share a template', () => {
  expect(text('SELECT *\n  FROM t\n WHERE id IN ($1, $2,$3)  ')).toBe(text('SELECT * FROM t WHERE id IN ($1)'));
  expect(text('INSERT INTO t VALUES ($1, now()), ($2, now())')).toBe(text('INSERT INTO t VALUES ($1, now()), ($2, now()), ($3, now())'));
  expect(text('SELECT f($1, $2)')).not.toBe(text('SELECT f($1)'));
  expect(text('SELECT 1 IN (SELECT id FROM t)')).toBe('SELECT ? IN (SELECT id FROM t)');
});

test("MySQL's strings end where MySQL ends them, in both kinds of quotes", () => {
  const mysql = (sql: string) => sqlTemplate(sql, 'mysql').text;
  expect(mysql("SELECT * FROM `my table` WHERE email = \"ann@example.com\" AND name = 'O\\'Neill' AND x = 1")).toBe(
    'SELECT * FROM `my table` WHERE email = ? AND name = ? AND x = ?',
  );
  expect(mysql("SELECT 'it''s' /* secret */, _utf8mb4'x', 0xFF, x'1F' # secret\nFROM t -- secret\nWHERE a = ?")).toBe(
    'SELECT ? , ?, ?, ? FROM t WHERE a = ?',
  );
  expect(mysql('SELECT a--1, "sec\\"ret" FROM t')).toBe('SELECT a--?, ? FROM t');
  expect(mysql('SELECT "secret')).toBe('SELECT ?');
  expect(mysql('SELECT * FROM t WHERE id IN (?, ?, ?)')).toBe(mysql('SELECT * FROM t WHERE id IN (?)'));
});
