import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { applyPatch } from 'diff';
import pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Finding } from '../../../finding/finding.ts';
import { writePatch } from '../../../source-change/write-patch.ts';
import type { Json } from '../../../remedy/remedy.ts';
import { asynchronousCall } from './asynchronous-call.ts';
import { oneQueryForTheLoop } from './one-query-for-the-loop.ts';
import { outgoingTimeout } from './outgoing-timeout.ts';
import { poolSizeOption } from './pool-size.ts';

/** Codemods read the source and the plan; what the finding says otherwise is for people. */
const finding = {} as Finding;
const written = (codemod: typeof poolSizeOption, text: string, line: number, plan: Json = null) =>
  writePatch(codemod, 'src/app.ts', text, { file: 'src/app.ts', line, function: null }, { finding, plan });
const changed = (codemod: typeof poolSizeOption, text: string, line: number, plan: Json = null) => {
  const result = written(codemod, text, line, plan);
  return 'patch' in result ? applyPatch(text, result.patch) : result.refused;
};

/** Loops as people write them; each function gets a pool and a list and returns what it built. */
const loops: Readonly<Record<string, string>> = {
  'a result that is held': `export async function run(pool, items) {
  const names = [];
  for (const item of items) {
    const found = await pool.query('SELECT id, name FROM people WHERE id = $1', [item.personId]);
    for (const person of found.rows) names.push({ ...person, item: item.n });
  }
  return names;
}`,
  'rows taken apart, all columns': `export const run = async (pool, items) => {
  const list = [];
  for (const { personId, n } of items.map((x) => x)) list.push(n + personId);
  for (const item of items) {
    const { rows: [person], rowCount } = await pool.query(\`SELECT * FROM people p WHERE p.id = $1\`, [item.personId]);
    list.push([person?.name ?? null, rowCount]);
  }
  return list;
};`,
  'the text kept in a constant, ids themselves': `const byTeam = 'SELECT name FROM people WHERE team = $1';
export async function run(pool, items) {
  const teams = items.map((item) => item.team);
  const sizes = {};
  for (const team of teams) sizes[team] = (await pool.query(byTeam, [team])).rows.map((row) => row.name).sort();
  return sizes;
}`,
  'a map in Promise.all': `export async function run(pool, items) {
  return Promise.all([1]).then(async () => {
    const people = await Promise.all(items.map(async (item) => {
      const { rows } = await pool.query('SELECT name, team FROM people WHERE id = $1', [item.personId]);
      rows.forEach((row) => { row.seen = true; });
      return rows;
    }));
    return people;
  });
}`,
};

test.each(Object.entries(loops))('%s: the patched code gives what the original gave, with one statement', async (_name, text) => {
  await using database = await createTestDatabase(`
    CREATE TABLE people (id bigint PRIMARY KEY, name text, team text);
    INSERT INTO people SELECT n, 'p' || n, CASE n % 4 WHEN 3 THEN NULL ELSE 't' || n % 4 END FROM generate_series(1, 40) n;`);
  const line = text.split('\n').findIndex((candidate) => candidate.includes('pool.query')) + 1;
  const patched = changed(oneQueryForTheLoop, text, line);
  expect(patched).toContain('= ANY($1)');
  const folder = await mkdtemp(join(tmpdir(), 'codemod-test-'));
  const pool = new pg.Pool({ connectionString: database.url });
  let statements = 0;
  const counting = { query: (sql: string, values: unknown[]) => ((statements += 1), pool.query(sql, values)) };
  try {
    const results = [];
    for (const [file, code] of [
      ['before.mjs', text],
      ['after.mjs', String(patched)],
    ] as const) {
      await writeFile(join(folder, file), code);
      const { run } = (await import(pathToFileURL(join(folder, file)).href)) as {
        readonly run: (pool: unknown, items: unknown) => Promise<unknown>;
      };
      // Repeated, missing and null keys: what a real list holds.
      const items = [3, 7, 3, 99, 12, null, 40].map((personId, n) => ({
        personId,
        n,
        team: personId === null ? null : `t${personId % 5}`,
      }));
      statements = 0;
      results.push({ value: await run(counting, items), statements });
    }
    expect(results[1]!.value).toEqual(results[0]!.value);
    expect(results.map((result) => result.statements)).toEqual([7, 1]);
  } finally {
    await pool.end();
    await rm(folder, { recursive: true });
  }
});

const inLoop = (statement: string, values = '[item.id]', body = 'out.push(r.rows)') => `async function run(pool, items) {
  const out = [];
  for (const item of items) {
    const r = await pool.query(${statement}, ${values});
    ${body};
  }
}`;

test.each([
  ['an order', inLoop("'SELECT a FROM t WHERE b = $1 ORDER BY c'"), 'more than a look-up'],
  ['a limit', inLoop("'SELECT a FROM t WHERE b = $1 LIMIT 1'"), 'more than a look-up'],
  ['an aggregate', inLoop("'SELECT count(*) FROM t WHERE b = $1'"), 'more than a look-up'],
  ['a join', inLoop("'SELECT a FROM t JOIN u ON u.x = t.x WHERE b = $1'"), 'more than a look-up'],
  ['two conditions', inLoop("'SELECT a FROM t WHERE b = $1 AND c = 2'"), 'more than a look-up'],
  ['a write', inLoop("'DELETE FROM t WHERE b = $1'"), 'more than a look-up'],
  ['a text put together', inLoop('`SELECT a FROM ${table} WHERE b = $1`'), 'written text'],
  ['two parameters', inLoop("'SELECT a FROM t WHERE b = $1'", '[item.id, 2]'), 'written text'],
  ['a parameter from elsewhere', inLoop("'SELECT a FROM t WHERE b = $1'", '[other.id]'), 'not item or a property'],
  ['a computed parameter', inLoop("'SELECT a FROM t WHERE b = $1'", '[item.id + 1]'), 'not item or a property'],
  ['the whole result given away', inLoop("'SELECT a FROM t WHERE b = $1'", '[item.id]', 'out.push(r)'), 'more of the result'],
  ['fields that are read', inLoop("'SELECT a FROM t WHERE b = $1'", '[item.id]', 'out.push(r.fields)'), 'more of the result'],
  ['an item that changes', inLoop("'SELECT a FROM t WHERE b = $1'", '[item.id]', 'item.id = r.rows[0].a'), 'changes item'],
  [
    'no loop',
    "async function one(pool, item) {\n\n\n  const { rows } = await pool.query('SELECT a FROM t WHERE b = $1', [item.id]);\n}",
    'no for-of loop',
  ],
])('%s is left to a person', (_name, text, reason) => {
  expect(changed(oneQueryForTheLoop, text, 4)).toContain(reason);
});

test('the size of a pool is written where it is made: in place of the old, beside other options, or alone', () => {
  expect(changed(poolSizeOption, 'const pool = new Pool({ max: old ? 3 : 4, user });', 1, { max: 9 })).toBe(
    'const pool = new Pool({ max: 9, user });',
  );
  expect(changed(poolSizeOption, 'export const pool = new pg.Pool({\n  user,\n});', 1, { max: 9 })).toBe(
    'export const pool = new pg.Pool({\n  user, max: 9,\n});',
  );
  expect(changed(poolSizeOption, 'const pool = new Pool();', 1, { max: 9 })).toBe('const pool = new Pool({ max: 9 });');
  expect(changed(poolSizeOption, 'const pool = new Pool({ ...defaults });', 1, { max: 9 })).toContain('may hold a size');
  expect(changed(poolSizeOption, 'const pool = new Pool(options);', 1, { max: 9 })).toContain('computed elsewhere');
});

test('a synchronous call in an async function becomes its asynchronous form and computes the same', async () => {
  const text = `import { scryptSync, timingSafeEqual } from 'node:crypto';
export async function run(password) {
  const key = scryptSync(password, 'salt', 32);
  return [timingSafeEqual(key, key), scryptHex(password), scryptSync.name, key.toString('hex')];
}
function scryptHex() { return 'x'; }
`;
  const patched = changed(asynchronousCall, text, 3);
  expect(patched).toContain('await promisify(scrypt)(password');
  const folder = await mkdtemp(join(tmpdir(), 'codemod-test-'));
  await writeFile(join(folder, 'before.mjs'), text);
  await writeFile(join(folder, 'after.mjs'), String(patched));
  const run = async (file: string) =>
    ((await import(pathToFileURL(join(folder, file)).href)) as { readonly run: (p: string) => Promise<unknown> }).run('secret');
  expect(await run('after.mjs')).toEqual(await run('before.mjs'));
  await rm(folder, { recursive: true });
});

test('a result that is used at once is waited for first; required modules are taken out the same way', () => {
  const text = "const { gzipSync } = require('zlib');\nmodule.exports = async (text) => gzipSync(text).toString('base64');\n";
  expect(changed(asynchronousCall, text, 2)).toBe(
    "const { promisify } = require('node:util');\nconst { gzip, gzipSync } = require('zlib');\nmodule.exports = async (text) => (await promisify(gzip)(text)).toString('base64');\n",
  );
});

test('a function whose callers do not wait is left to a person', () => {
  expect(
    changed(asynchronousCall, "import { scryptSync } from 'crypto';\nexport const hash = (p) => scryptSync(p, 's', 64);\n", 2),
  ).toContain('is not async');
});

test('fetch gets a limit beside the options it has, and keeps a signal that is there', () => {
  expect(changed(outgoingTimeout, 'const r = await fetch(url);', 1)).toBe(
    'const r = await fetch(url, { signal: AbortSignal.timeout(5000) });',
  );
  expect(changed(outgoingTimeout, "await fetch(url, { method: 'POST' });", 1)).toBe(
    "await fetch(url, { method: 'POST', signal: AbortSignal.timeout(5000) });",
  );
  expect(changed(outgoingTimeout, 'await fetch(url, { signal });', 1)).toContain('has a signal');
  expect(changed(outgoingTimeout, 'await fetch(url, options);', 1)).toContain('computed elsewhere');
});

test('what is no JavaScript is not touched', () => {
  expect(written(outgoingTimeout, 'fetch(', 1)).toEqual({ refused: 'src/app.ts cannot be parsed' });
});
