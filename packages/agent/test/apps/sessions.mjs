/*
 * Every request asks who its caller is and what is switched on, as many backends do: the answers differ by caller and are
 * written down, so that none can be kept whole; what they are made of hardly ever changes.
 */
import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 });
const app = Fastify();

async function callerOf({ headers }) {
  const { rows } = await pool.query('SELECT account_id, role FROM sessions WHERE token = $1', [headers['x-session']]);
  return rows[0];
}

async function switches() {
  const { rows } = await pool.query({ text: 'SELECT name, enabled FROM switches ORDER BY name' });
  return Object.fromEntries(rows.map(({ name, enabled }) => [name, enabled]));
}

app.get('/inbox', async (request) => {
  const caller = await callerOf(request);
  const { rows } = await pool.query('INSERT INTO visits (account_id) VALUES ($1) RETURNING id', [caller.account_id]);
  return { caller, switches: await switches(), visited: rows.length };
});

app.post('/roles/:account', async (request) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('UPDATE sessions SET role = $2 WHERE account_id = $1', [request.params.account, request.query.role]);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
  return {};
});

// Each asks for another moment, and nobody may be told of an earlier one.
app.get('/now', async () => (await pool.query('SELECT max(id) AS last, now() AS at FROM visits')).rows[0]);

await app.listen({ port: Number(process.env.PORT ?? 0), host: '127.0.0.1' });
process.stdout.write(`listening ${app.server.address().port}\n`);
