/*
 * Four ways to strain a process, none of them as the rules that look for them were first written: reads in a transaction, columns
 * that an ORM adds, an index that is built anew for each request, and listeners that nobody takes off.
 */
import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Router from '@koa/router';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import Koa from 'koa';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 });
const database = drizzle({ client: pool });
const manuals = pgTable('manuals', { id: integer('id'), title: text('title'), revision: integer('revision'), body: text('body') });

/** Two reads of one moment. */
async function readBoard() {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: totals } = await client.query(
      'SELECT revision, count(*)::int AS manuals FROM manuals GROUP BY revision ORDER BY revision',
    );
    const { rows: newest } = await client.query("SELECT max(id) AS id, length(string_agg(md5(body || id), '')) AS letters FROM manuals");
    await client.query('COMMIT');
    return { totals, newest: newest[0] };
  } finally {
    client.release();
  }
}

async function listShelf() {
  const found = await database.select().from(manuals).limit(40);
  return found.map((manual) => ({ ref: manual.id, label: manual.title, history: { latest: manual.revision } }));
}

/** What the last few asked for is held for those who turn the page: long enough to grow old, and then it is thrown away. */
const turned = [];
function indexWords(text) {
  const places = [];
  for (let place = 0; place < 100_000; place += 1) places.push({ text, place, near: [place - 1, place + 1] });
  turned.push(places);
  if (turned.length > 10) turned.shift();
  return places.length;
}

const market = new EventEmitter().setMaxListeners(0);
function subscribe(share) {
  const prices = [];
  for (let tick = 0; tick < 2_000; tick += 1) prices.push({ tick, share, price: tick / 7 });
  market.on('tick', (price) => prices.push(price));
  return market.listenerCount('tick');
}

// So that a test need not wait for V8 to find it worth its while.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const router = new Router();
router.get('/board', async (ctx) => {
  ctx.body = await readBoard();
});
router.get('/shelf', async (ctx) => {
  ctx.body = { shelf: await listShelf() };
});
router.get('/words', (ctx) => {
  ctx.body = { words: indexWords(ctx.query.text) };
});
router.get('/watch', (ctx) => {
  ctx.body = { watching: subscribe(ctx.query.share) };
});
router.get('/collected', (ctx) => {
  collect();
  ctx.status = 204;
});
router.get('/manuals/:id', async (ctx) => {
  const { rows } = await pool.query('SELECT id, title FROM manuals WHERE id = $1', [ctx.params.id]);
  [ctx.body] = rows;
});

const server = new Koa().use(router.routes()).listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
