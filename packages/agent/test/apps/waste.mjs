import { pbkdf2Sync } from 'node:crypto';
import fs, { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import pg from 'pg';

// As CommonJS files take them: a copy made before anybody observes.
const { gunzipSync } = createRequire(import.meta.url)('node:zlib');
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2 });

const articles = Array.from({ length: 300 }, (_, index) => ({
  id: index,
  title: `article ${index}`,
  text: 'some words '.repeat(index % 12),
}));
const stored = gzipSync(Buffer.alloc(4_000_000, 'stored words '));
const documents = `SELECT id + 70000 AS id, 'title ' || id AS title, repeat('word ' || id || ' ', 40) AS body, 7 AS kind, id + 90000 AS owner_id, NULL AS gone
  FROM generate_series(1, $1) id`;

function send(response, value, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function readAll() {
  const text = readFileSync(new URL(import.meta.url), 'utf8');
  return gunzipSync(stored).length + text.length + fs.existsSync('/nowhere');
}

// So that a test need not wait for V8 to find it worth its while.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const kept = [];
function remember(count) {
  for (let index = 0; index < count; index += 1) kept.push({ at: index, tags: Array.from({ length: 40 }, (_, tag) => tag + index) });
}

function discard() {
  let total = 0;
  for (let index = 0; index < 20_000; index += 1) total += [index, { index }, `${index}`].length;
  return total;
}

function spell(forMs) {
  const until = performance.now() + forMs;
  let total = 0;
  while (performance.now() < until) for (let step = 0; step < 5_000; step += 1) total += Math.sqrt(total + step);
  return total;
}

const routes = {
  '/articles': (request, response) => send(response, articles),
  '/huge': (request, response) =>
    send(
      response,
      Array.from({ length: 40 }, () => articles),
    ),
  '/short': (request, response) => send(response, articles.slice(0, 2)),
  '/validated': (request, response) => send(response, articles, { etag: '"1"' }),
  '/fresh': (request, response) => send(response, { now: performance.now() }),
  '/packed': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(gzipSync(JSON.stringify(articles)));
  },
  '/streamed': (request, response) => {
    response.setHeader('content-type', 'application/json');
    response.write('[');
    for (const article of articles) response.write(`${JSON.stringify(article)},`);
    response.end('0]');
  },
  '/picture': (request, response) => {
    response.writeHead(200, { 'content-type': 'image/png' });
    response.end(Buffer.alloc(50_000));
  },
  '/columns': async (request, response) => {
    const { rows } = await pool.query(documents, [20]);
    await pool.query('SELECT $1::int', [rows[3].owner_id]);
    send(
      response,
      rows.map(({ id, title }) => ({ id, title })),
    );
  },
  '/rows': async (request, response) => {
    const { rows } = await pool.query(documents, [400]);
    send(
      response,
      rows.filter(({ id }) => id % 40 === 0),
    );
  },
  '/summed': async (request, response) => {
    const { rows } = await pool.query(documents, [400]);
    send(response, { words: rows.reduce((sum, { body }) => sum + body.split(' ').length, 0) });
  },
  '/excerpts': async (request, response) => {
    const { rows } = await pool.query(documents, [20]);
    send(
      response,
      rows.map(({ id, body }) => `${id}: ${body.slice(0, 30)}...`),
    );
  },
  '/synchronous': (request, response) => send(response, { length: readAll() }),
  '/hashed': (request, response) => {
    for (let index = 0; index < 30; index += 1) pbkdf2Sync('word', 'salt', 10, 32, 'sha256');
    response.end();
  },
  '/waiting': async (request, response) => {
    await pool.query('SELECT pg_sleep(0.02)');
    response.end();
  },
  '/spelled': (request, response) => {
    spell(4);
    response.end();
  },
  '/blocked': (request, response) => {
    spell(100);
    response.end();
  },
  '/remembered': (request, response) => {
    remember(600);
    response.end();
  },
  '/collected': (request, response) => {
    collect();
    response.end();
  },
  '/discarded': (request, response) => response.end(String(discard())),
};

const server = createServer((request, response) => {
  Promise.resolve(routes[new URL(request.url, 'http://localhost').pathname](request, response)).catch((error) => response.destroy(error));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void pool.end();
});
