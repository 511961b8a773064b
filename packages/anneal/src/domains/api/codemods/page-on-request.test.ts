import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Evidence, Finding } from '../../../finding/finding.ts';
import { writePatch } from '../../../source-change/write-patch.ts';
import { pageOnRequest } from './page-on-request.ts';

const installed = fileURLToPath(new URL('../../../../../../node_modules', import.meta.url));

/** As the rule says it: the one thing that the source does not show. */
const findingWithKey = (table: string, value: string) =>
  ({
    evidence: [{ label: `primary key of ${table}`, value, unit: '', provenance: 'measured', source: 'pg_index' } satisfies Evidence],
  }) as unknown as Finding;

const lineOfQuery = (text: string) => text.split('\n').findIndex((line) => line.includes('.query')) + 1;
const patchOf = (path: string, text: string, finding: Finding) =>
  writePatch(pageOnRequest, path, text, { file: path, line: lineOfQuery(text), function: null }, { finding, plan: null });

interface Form {
  readonly file: string;
  readonly text: string;
  readonly table: string;
  readonly key: string;
  readonly path: string;
  /** The rows in the answer. */
  readonly rows: (answer: never) => readonly Record<string, unknown>[];
  /** What a page goes on after: the column of its last row, or null where it counts rows. */
  readonly after: string | null;
  /** What is no page here, besides what is none anywhere. */
  readonly notPages: readonly string[];
}

const notPages = ['?limit=', '?limit=all', '?limit=0', '?limit=-3', '?limit=1e2', '?offset=3', '?after=1', '?sort=name'];
const twice = '?limit=5&limit=6';

/** Whole servers as people write them; each exports how it is started on a database. */
const forms: Readonly<Record<string, Form>> = {
  'Express, a parameter, the key descending': {
    file: 'server.mjs',
    table: 'articles',
    key: 'id bigint',
    path: '/shelves/2/articles',
    rows: (answer: readonly Record<string, unknown>[]) => answer,
    after: 'id',
    notPages: [twice, '?limit=5&after=', '?limit=5&after=1x'],
    text: `import express from 'express';
import pg from 'pg';

export async function start(connectionString) {
  const pool = new pg.Pool({ connectionString });
  const app = express();
  app.get('/shelves/:shelf/articles', async (req, res) => {
    const { rows } = await pool.query('SELECT a.id, name, price FROM articles a WHERE shelf = $1 OR price < 0 ORDER BY id DESC', [req.params.shelf]);
    res.status(200).json(rows);
  });
  return { server: app.listen(0, '127.0.0.1'), pool };
}
`,
  },
  'Express in CommonJS, the rows read by a function, equal names': {
    file: 'server.cjs',
    table: 'articles',
    key: 'id bigint',
    path: '/articles',
    rows: ({ articles }: { readonly articles: readonly Record<string, unknown>[] }) => articles,
    after: null,
    notPages: [twice, '?limit=5&offset=-1'],
    text: `'use strict';
const express = require('express');
const { Pool } = require('pg');

const listed = "SELECT name, price FROM articles ORDER BY name";

async function listArticles(pool) {
  const result = await pool.query(listed);
  const articles = result.rows;
  return articles;
}

exports.start = async (connectionString) => {
  const pool = new Pool({ connectionString });
  const router = express.Router();
  router.route('/articles').get(async (req, res, next) => {
    try {
      const articles = await listArticles(pool);
      return res.json({ articles, currency: 'EUR' });
    } catch (error) {
      next(error);
    }
  });
  return { server: express().use(router).listen(0, '127.0.0.1'), pool };
};
`,
  },
  'Fastify in TypeScript, no order, no parameter at all': {
    file: 'server.ts',
    table: 'labels',
    key: 'sku text',
    path: '/labels',
    rows: (answer: readonly Record<string, unknown>[]) => answer,
    after: 'sku',
    notPages: [twice, '?limit=5&after=%00'],
    text: `import { fastify } from 'fastify';
import { Pool } from 'pg';

interface Label { readonly sku: string; readonly colour: string }

export async function start(connectionString: string) {
  const pool = new Pool({ connectionString });
  const app = fastify();
  app.get('/labels', { schema: { response: {} } }, async () => {
    const found = await pool.query<Label>(\`
      SELECT *
        FROM public.labels
       WHERE colour <> 'LIMIT (1';
    \`);
    return found.rows;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { server: app.server, pool };
}
`,
  },
  'Fastify in TypeScript, a function between, an expression': {
    file: 'server.ts',
    table: 'parcels',
    key: '"parcelId" uuid',
    path: '/parcels',
    rows: ({ parcels }: { readonly parcels: readonly Record<string, unknown>[] }) => parcels,
    after: 'parcelId',
    notPages: [twice, '?limit=5&after=17'],
    text: `import { fastify, type FastifyRequest } from 'fastify';
import { Pool } from 'pg';

const readParcels = async (pool: Pool, heavierThan: number) =>
  (await pool.query('SELECT "parcelId", weight FROM parcels WHERE weight > $1 ORDER BY parcels."parcelId"', [heavierThan])).rows;

export async function start(connectionString: string) {
  const pool = new Pool({ connectionString });
  const app = fastify();
  const list = async (request: FastifyRequest) => ({ parcels: await readParcels(pool, 3) });
  app.get('/parcels', list);
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { server: app.server, pool };
}
`,
  },
  'Hono, an expression': {
    file: 'server.mjs',
    table: 'labels',
    key: 'sku character varying(20)',
    path: '/labels',
    rows: ({ labels }: { readonly labels: readonly Record<string, unknown>[] }) => labels,
    after: 'sku',
    notPages: ['?limit=5&after=%00'],
    text: `import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import pg from 'pg';

export async function start(connectionString) {
  const pool = new pg.Pool({ connectionString });
  const app = new Hono();
  app.get('/labels', async (c) => c.json({ labels: (await pool.query('SELECT labels.sku, colour FROM labels ORDER BY labels.sku ASC')).rows }));
  return { server: serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }), pool };
}
`,
  },
  'Koa, each row made into something else, a key of two columns': {
    file: 'server.mjs',
    table: 'stock',
    key: 'warehouse, sku',
    path: '/stock',
    rows: ({ stock }: { readonly stock: readonly Record<string, unknown>[] }) => stock,
    after: null,
    notPages: [twice, '?limit=5&offset='],
    text: `import Router from '@koa/router';
import Koa from 'koa';
import pg from 'pg';

const label = (row) => ({ ...row, label: row.warehouse + '/' + row.sku });

export async function start(connectionString) {
  const pool = new pg.Pool({ connectionString });
  const router = new Router();
  router.get('/stock', async (ctx) => {
    const { rows: page } = await pool.query(\`SELECT warehouse, sku, coalesce(amount, 0) AS amount FROM stock AS s ORDER BY amount DESC NULLS LAST, s.sku\`);
    ctx.body = { stock: page.map(label) };
  });
  return { server: new Koa().use(router.routes()).listen(0, '127.0.0.1'), pool };
}
`,
  },
};

describe('patched servers on a real database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(`
      CREATE TABLE articles (id bigint PRIMARY KEY, shelf int, name text, price numeric(8, 2));
      INSERT INTO articles SELECT n, n % 2 + 1, 'name ' || n % 7, n FROM generate_series(1, 260) n;
      CREATE TABLE labels (sku text PRIMARY KEY, colour text);
      INSERT INTO labels SELECT md5(n::text), 'c' || n % 5 FROM generate_series(1, 130) n;
      CREATE TABLE parcels ("parcelId" uuid PRIMARY KEY, weight int);
      INSERT INTO parcels SELECT md5(n::text)::uuid, n FROM generate_series(1, 130) n;
      CREATE TABLE stock (warehouse text, sku text, amount int, PRIMARY KEY (warehouse, sku));
      INSERT INTO stock SELECT 'w' || n % 3, 's' || n / 3, nullif(n % 4, 0) FROM generate_series(1, 130) n;`);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test.each(Object.entries(forms))(
    '%s: nobody who asks for no page sees a difference, and pages make up the whole',
    async (_name, form) => {
      const folder = await mkdtemp(join(tmpdir(), 'page-test-'));
      const stopped: (() => Promise<unknown>)[] = [];
      try {
        await symlink(installed, join(folder, 'node_modules'));
        const written = patchOf(form.file, form.text, findingWithKey(form.table, form.key));
        if ('refused' in written) throw new Error(written.refused);
        const original = `original-${form.file}`;
        await writeFile(join(folder, original), form.text);
        await writeFile(join(folder, form.file), form.text);
        await writeFile(join(folder, 'page.patch'), written.patch);
        execFileSync('git', ['apply', 'page.patch'], {
          cwd: folder,
          env: { PATH: process.env['PATH'], GIT_CEILING_DIRECTORIES: tmpdir() },
        });

        const ask = await Promise.all(
          [original, form.file].map(async (file) => {
            const module_ = (await import(pathToFileURL(join(folder, file)).href)) as {
              readonly start: (url: string) => Promise<{ readonly server: Server; readonly pool: { end(): Promise<void> } }>;
            };
            const { server, pool } = await module_.start(database.url);
            stopped.push(async () => {
              server.closeAllConnections();
              server.close();
              await pool.end();
            });
            if (!server.listening) await once(server, 'listening');
            const { port } = server.address() as AddressInfo;
            return async (query: string) => {
              const response = await fetch(`http://127.0.0.1:${port}${form.path}${query}`);
              const { date: _, ...headers } = Object.fromEntries(response.headers);
              return { status: response.status, headers, text: await response.text() };
            };
          }),
        );
        const [before, after] = [ask[0]!, ask[1]!];
        for (const query of ['', ...notPages, ...form.notPages]) expect(await after(query)).toEqual(await before(query));

        const rowsOf = async (query: string) => form.rows(JSON.parse((await after(query)).text) as never);
        const whole = await rowsOf('');
        expect(whole.length).toBeGreaterThan(100);
        expect(await rowsOf('?limit=5000')).toHaveLength(100);
        const paged: Record<string, unknown>[] = [];
        for (let from = ''; ;) {
          const page = await rowsOf(`?limit=37${from}`);
          paged.push(...page);
          if (page.length < 37) break;
          from = form.after === null ? `&offset=${paged.length}` : `&after=${encodeURIComponent(String(page.at(-1)![form.after]))}`;
        }
        // Only an order in which no two rows are equal gives each its place in the whole.
        const isTotal = form.after !== null && form.text.includes('ORDER BY');
        const comparable = (rows: readonly unknown[]) => (isTotal ? rows : rows.map((row) => JSON.stringify(row)).toSorted());
        expect(comparable(paged)).toEqual(comparable(whole));
      } finally {
        for (const stop of stopped) await stop();
        await rm(folder, { recursive: true });
      }
    },
  );
});

const listed = "'SELECT id, name FROM articles ORDER BY name'";
const handler = (statement = listed, answer = 'res.json(rows);', route = "app.get('/articles', ") => `${route}async (req, res) => {
  const { rows } = await pool.query(${statement});
  ${answer}
});
`;
const withFunction = (called: string, given = 'async function listed(pool) {') => `${given}
  return (await pool.query(${listed})).rows;
}
app.get('/articles', async (req, res) => res.json({ articles: ${called} }));
`;

describe('what is left to a person', () => {
  const refusalOf = (text: string, file = 'app.js', finding = findingWithKey('articles', 'id bigint')) => {
    const written = patchOf(file, text, finding);
    return 'refused' in written ? written.refused : written.patch;
  };

  test('what these shapes are made from is patched', () => {
    for (const text of [handler(), withFunction('await listed(pool)')]) expect(refusalOf(text)).toContain('pageAsked');
  });

  test.each([
    ['a key that nobody knows of', handler(), { evidence: [] } as never, 'no primary key'],
    ['the key of another table', handler(), findingWithKey('shelves', 'id bigint'), 'primary key of articles is not known'],
  ])('%s', (_name, text, finding, reason) => {
    expect(refusalOf(text, 'app.js', finding)).toContain(reason);
  });

  test.each([
    ['a join', "'SELECT a.id FROM articles a JOIN shelves s ON s.id = a.shelf'", 'more than a list'],
    ['two tables', "'SELECT a.id FROM articles a, shelves s'", 'more than a list'],
    ['a group', "'SELECT name FROM articles GROUP BY name'", 'more than a list'],
    ['distinct rows', "'SELECT DISTINCT name FROM articles'", 'more than a list'],
    ['a limit', "'SELECT id FROM articles LIMIT 5000'", 'more than a list'],
    ['a lock', "'SELECT id FROM articles FOR UPDATE'", 'more than a list'],
    ['a union', "'SELECT id FROM articles UNION ALL SELECT id FROM drafts'", 'more than a list'],
    ['a comment', "'SELECT id FROM articles -- all of them'", 'more than a list'],
    ['two statements', "'SELECT id FROM articles; SELECT 1'", 'more than a list'],
    ['a name for the rows', "'WITH a AS (SELECT 1) SELECT id FROM articles'", 'more than a list'],
    ['a count', "'SELECT count(*) FROM articles'", 'whether count() gives one value per row'],
    ['several rows for one', "'SELECT id, coalesce(unnest(tags), name) FROM articles'", 'whether unnest() gives'],
    ['chance', "'SELECT id FROM articles WHERE random() < 0.5'", 'whether random() gives'],
    ['an order by chance', "'SELECT id FROM articles ORDER BY random()'", 'ordered by an expression'],
    ['a write', "'UPDATE articles SET seen = true RETURNING id'", 'more than a list'],
    ['a parameter too many', "'SELECT id FROM articles WHERE shelf = $1', [1, 2]", 'parameters are not those'],
    ['escapes', String.raw`'SELECT id FROM articles WHERE name <> \'x\''`, 'written with escapes'],
    ['a text put together', '`SELECT id FROM articles ORDER BY ${column}`', 'written text'],
    ['values from elsewhere', "'SELECT id FROM articles WHERE shelf = $1', [...values]", 'written text'],
  ])('%s', (_name, statement, reason) => {
    expect(refusalOf(handler(statement))).toContain(reason);
  });

  test.each([
    ['rows that are counted', 'res.json({ rows, total: rows.length });', 'line 3 uses its rows otherwise'],
    ['rows that are sorted', 'res.json(rows.sort());', 'line 3 uses its rows otherwise'],
    ['rows that are left out', 'res.json(rows.filter(({ name }) => name));', 'line 3 uses its rows otherwise'],
    ['rows that are numbered', 'res.json(rows.map((row, index) => [index, row]));', 'line 3 uses its rows otherwise'],
    ['rows that are summed up', 'let sum = 0; res.json(rows.map((row) => (sum += row.price)));', 'line 3 uses its rows otherwise'],
    ['a function from elsewhere for each', 'res.json(rows.map(toView));', 'line 3 uses its rows otherwise'],
    ['rows that go elsewhere too', 'cache.set(1, rows); res.json(rows);', 'line 3 uses its rows otherwise'],
    ['one row', 'res.json(rows[0]);', 'line 3 uses its rows otherwise'],
    ['rows that are not answered', 'res.json({});', 'not answered'],
    ['a limit of its own', 'log(req.query.limit); res.json(rows);', 'a use for "limit"'],
    ['an offset of its own', "log(req.query['offset']); res.json(rows);", 'a use for "offset"'],
    ['another response', 'other.json(rows);', 'something that is not given to its handler'],
    ['two answers', 'if (x) res.json(rows); else other.json(rows);', 'answered in several ways'],
    ['a framework that nobody names', 'return rows;', 'a framework that the file does not name'],
    ['a request that is two things', 'for (const x of y) { const req = x; } res.json(rows);', 'req is more than one thing'],
  ])('%s', (_name, answer, reason) => {
    expect(refusalOf(handler(listed, answer))).toContain(reason);
  });

  test.each([
    ['another method', handler(listed, 'res.json(rows);', "app.post('/articles', "), 'no handler of a GET'],
    ['a map of things', handler(listed, 'res.json(rows);', 'map.get('), 'no handler of a GET'],
    [
      'a function within',
      handler()
        .replace('{ rows } = await pool.query', 'rows = await within(async (db) => (await db.query')
        .replace("name')", "name')).rows)"),
      'no handler of a GET',
    ],
    ['a request taken apart', handler().replace('async (req, res)', 'async ({ params }, res)'), 'taken apart'],
    [
      'a schema of the query',
      handler(listed, 'return rows;', "fastify.get('/articles', { schema: { querystring: {} } }, "),
      'a schema says',
    ],
    ['options from elsewhere', handler(listed, 'return rows;', "fastify.get('/articles', options, "), 'computed elsewhere'],
    [
      'a result that is kept whole',
      handler(listed, 'res.json(rows);').replace('const { rows }', 'const { rows, rowCount }'),
      'more of the result',
    ],
    ['a result that is not waited for', handler().replace('await ', ''), 'not waited for'],
    ['a function that others may call', withFunction('await listed(pool)', 'export async function listed(pool) {'), 'is exported'],
    ['a function given out', `${withFunction('await listed(pool)')}exports.listed = listed;\n`, 'not called once alone'],
    ['a function called twice', withFunction('[await listed(pool), await listed(pool)]'), 'not called once alone'],
    ['a function for each', withFunction('await Promise.all(pools.map(listed))'), 'not called once alone'],
    ['a function with a choice', withFunction('await listed(pool)', 'async function listed(pool = usual) {'), 'more than plain parameters'],
    ['rows that are counted where the function is called', withFunction('(await listed(pool)).length'), 'otherwise than in the answer'],
  ])('%s', (_name, text, reason) => {
    expect(refusalOf(text)).toContain(reason);
  });
});
