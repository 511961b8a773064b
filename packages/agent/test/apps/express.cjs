'use strict';
const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_MAX ?? 4) });
const app = express();

const listPosts = (limit) => pool.query('SELECT id, author_id FROM posts ORDER BY id LIMIT $1', [limit]);

app.get('/authors/:id', async (request, response) => {
  const { rows } = await pool.query('SELECT * FROM authors WHERE id = $1', [request.params.id]);
  response.json(rows[0]);
});

app.get('/sequential', async (_request, response) => {
  const posts = await listPosts(10);
  const names = [];
  for (const post of posts.rows) {
    const author = await pool.query('SELECT name FROM authors WHERE id = $1', [post.author_id]);
    names.push(author.rows[0].name);
  }
  response.json(names);
});

app.get('/parallel', async (_request, response) => {
  const posts = await listPosts(10);
  const authors = await Promise.all(posts.rows.map((post) => pool.query('SELECT name FROM authors WHERE id = $1', [post.author_id])));
  response.json(authors.map((author) => author.rows[0].name));
});

app.get('/duplicate', async (_request, response) => {
  const first = await pool.query('SELECT title FROM posts WHERE id = $1', [7]);
  const second = await pool.query('SELECT title FROM posts WHERE id = $1', [7]);
  await pool.query("SELECT id FROM posts WHERE title = 'post 1'");
  await pool.query("SELECT id FROM posts WHERE title = 'post 2'");
  response.json([first.rows, second.rows]);
});

app.get('/held', async (request, response) => {
  const client = await pool.connect();
  try {
    await client.query('SELECT 1');
    await new Promise((resolve) => {
      setTimeout(resolve, Number(request.query.ms ?? 60));
    });
  } finally {
    client.release();
  }
  response.json({});
});

app.get('/state', (_request, response) => {
  response.json({ max: pool.options.max, stringifyIsNative: JSON.stringify.toString().includes('[native code]') });
});

app.get('/pool', (_request, response) => {
  response.json({ connections: pool.totalCount, idle: pool.idleCount });
});

const nested = express.Router();
nested.get('/', (_request, response) => response.send('nested'));
nested.get('/failing', () => {
  throw new Error('on purpose');
});
app.use('/shops/:shop/orders', nested);
app.use((_error, _request, response, _next) => response.status(500).send('failed'));

const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void pool.end();
});
