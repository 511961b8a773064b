import { expect, test } from 'vitest';
import { createSqlParser } from '../adapters/sql-parser.ts';
import { aStatement, at } from '../finding/fixtures/observations.ts';
import { joinStatements } from './statements.ts';

const parser = await createSqlParser();
const seen = (text: string, given: Parameters<typeof aStatement>[0] extends infer T ? Partial<T> : never) => {
  const shape = parser.shape(text);
  return aStatement({ id: parser.fingerprint(text)!, text: parser.normalise(text), shape, kind: shape?.kind ?? 'other', ...given });
};

test("the server's time and calls meet the agent's lines and routes", () => {
  const agent = seen('SELECT total FROM invoices WHERE id = $1', {
    calls: 10,
    totalMs: 90,
    locations: [at('src/invoices.ts', 12)],
    routes: ['GET /invoices/:id'],
  });
  const server = [
    seen('select total from invoices where id = $1', { calls: 8, totalMs: 40, source: 'server', walBytes: 0, sharedBlocksHit: 30 }),
    seen('SELECT total FROM invoices WHERE id = 7', { calls: 3, totalMs: 10, source: 'server', sharedBlocksHit: 9 }),
  ];
  expect(joinStatements([agent], server)).toMatchObject([
    {
      text: 'SELECT total FROM invoices WHERE id = $1',
      calls: 11,
      totalMs: 50,
      source: 'server',
      sharedBlocksHit: 39,
      locations: [{ file: 'src/invoices.ts', line: 12 }],
      routes: ['GET /invoices/:id'],
    },
  ]);
});

test('a constant that differs between texts of one statement is a value, one that stays is part of it', () => {
  const texts = [`SELECT 1 FROM jobs WHERE state = 'open' AND owner = 'ann'`, `SELECT 1 FROM jobs WHERE state = 'open' AND owner = 'bob'`];
  const [joined] = joinStatements(
    texts.map((text) => seen(text, {})),
    [],
  );
  expect(joined?.calls).toBe(200);
  expect(joined?.shape?.predicates.map(({ constant }) => constant)).toEqual([`'open'`, null]);
});

test('what only one side saw stays, most time first', () => {
  const joined = joinStatements([seen('SELECT 1 FROM a', { totalMs: 5 })], [seen('SELECT 1 FROM b', { totalMs: 50, source: 'server' })]);
  expect(joined.map(({ text, source }) => [text, source])).toEqual([
    ['SELECT $1 FROM b', 'server'],
    ['SELECT $1 FROM a', 'client'],
  ]);
});
