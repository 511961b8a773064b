import fastify from 'fastify';
import { Pool } from 'pg';

const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 2 });
const app = fastify();

app.get('/posts/:count', async (request) => {
  const { count } = request.params as { readonly count: string };
  const posts = await pool.query('SELECT author_id FROM posts ORDER BY id LIMIT $1', [Number(count)]); // at /posts/:count
  const names: string[] = [];
  for (const post of posts.rows) {
    const { rows } = await pool.query('SELECT name FROM authors WHERE id = $1', [post.author_id]); // at /posts/:count
    names.push(rows[0].name);
  }
  return names;
});

app.get('/client', async () => {
  const client = await pool.connect();
  try {
    const { rows } = await client.query('SELECT count(*)::int AS posts FROM posts'); // at /client
    return rows[0];
  } finally {
    client.release();
  }
});

void app.listen({ port: 0, host: '127.0.0.1' }).then((address) => process.stdout.write(`listening ${new URL(address).port}\n`));
