'use strict';
/*
 * Counters that are read and written at once, with pauses where races hide: before and after every statement.
 * With NAIVE it caches by itself as is often done: written at the end of a read, deleted where the write is.
 */
const { randomBytes } = require('node:crypto');
const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_MAX ?? 12) });
const app = express();
app.set('etag', false);
const pause = () =>
  new Promise((resolve) => {
    setTimeout(resolve, Math.random() * 4);
  });
const naive = process.env.NAIVE === undefined ? null : new Map();

app.get('/counters/:id', async (request, response) => {
  const { id } = request.params;
  const known = naive?.get(id);
  if (known !== undefined) return response.json(known);
  await pause();
  const { rows } = await pool.query('SELECT id, value FROM counters WHERE id = $1', [id]);
  await pause();
  naive?.set(id, rows[0]);
  return response.json(rows[0]);
});

app.get('/transactions/counters/:id', async (request, response) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows } = await client.query('SELECT id, value FROM counters WHERE id = $1', [request.params.id]);
    await pause();
    const { rows: again } = await client.query('SELECT id, value FROM counters WHERE id = $1', [request.params.id]);
    await client.query('COMMIT');
    response.json({ ...rows[0], again: again[0].value });
  } finally {
    client.release();
  }
});

app.get('/total', async (_request, response) => {
  await pause();
  const { rows } = await pool.query('SELECT sum(value)::int AS value FROM counters');
  await pause();
  response.json(rows[0]);
});

/** The second statement, and the only one about what was asked for, runs in a callback: node-postgres calls it outside of the request's own context. */
app.get('/callbacks/:id', (request, response) => {
  pool.connect((connectError, client, release) => {
    if (connectError) throw connectError;
    client.query('SELECT id FROM counters WHERE id = $1', [20], () => {
      client.query('SELECT value FROM counters WHERE id = $1', [request.params.id], (_error, { rows }) => {
        release();
        response.json(rows[0]);
      });
    });
  });
});

app.get('/files', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  const { readFile } = await import('node:fs/promises');
  response.json({ ...rows[0], bytes: (await readFile(__filename)).length });
});
app.get('/fetches', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  const other = await fetch(`http://127.0.0.1:${server.address().port}/plain`);
  response.json({ ...rows[0], other: await other.text() });
});
app.get('/unknown', async (_request, response) => {
  const { rows } = await pool.query('SELECT value, now() FROM counters WHERE id = $1', [1]);
  response.json({ value: rows[0].value });
});
app.get('/cookies', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  response.cookie('seen', '1').json(rows[0]);
});
app.get('/streams', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  response.write(String(rows[0].value));
  response.end();
});
app.get('/chance', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  response.json({ ...rows[0], chance: randomBytes(8).toString('hex') });
});
app.get('/plain', (_request, response) => response.send('plain'));
app.get('/who', async (request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  response
    .set('X-Answered', 'yes')
    .json({ ...rows[0], who: request.get('authorization') ?? request.get('cookie') ?? request.get('x-api-key') ?? null });
});

app.get('/private', async (_request, response) => {
  const { rows } = await pool.query('SELECT value FROM counters WHERE id = $1', [1]);
  response.set('Cache-Control', 'max-age=60, private').json(rows[0]);
});

/** A rollback answers 409 and changes nothing. */
app.post('/counters/:id', async (request, response) => {
  const { id } = request.params;
  if (request.query.form === 'autocommit') {
    naive?.delete(id);
    const { rows } = await pool.query('UPDATE counters SET value = value + 1 WHERE id = $1 RETURNING value', [id]);
    return response.json(rows[0]);
  }
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await pause();
    naive?.delete(id);
    const { rows } = await client.query('UPDATE counters SET value = value + 1 WHERE id = $1 RETURNING value', [id]);
    await pause();
    if (request.query.form === 'rollback') {
      await client.query('ROLLBACK');
      return response.status(409).json({});
    }
    await client.query('COMMIT');
    return response.json(rows[0]);
  } finally {
    client.release();
  }
});

/** What nobody has ever seen: a procedure written in the database. */
app.post('/procedures/:id', async (request, response) => {
  await pool.query(`DO $$ BEGIN UPDATE counters SET value = value + 1 WHERE id = ${Number(request.params.id)}; END $$`);
  response.json({});
});

const server = app.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void pool.end();
});
