import pg from 'pg';
import { serve } from './serve.ts';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 2 });

async function authorOf(post: { author_id: number }): Promise<string> {
  const { rows } = await pool.query('SELECT name FROM authors WHERE id = $1', [post.author_id]); // at /pool
  return rows[0].name;
}

serve(
  {
    '/pool': async () => {
      const posts = await pool.query('SELECT author_id FROM posts ORDER BY id LIMIT 3'); // at /pool
      return Promise.all(posts.rows.map(authorOf));
    },
    '/client': async () => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN'); // at /client
        await client.query('UPDATE authors SET name = name WHERE id = 1'); // at /client
        await client.query('COMMIT'); // at /client
      } finally {
        client.release();
      }
    },
    '/callback': () =>
      new Promise((resolve) => {
        pool.query('SELECT count(*)::int FROM posts', (_error, result) => resolve(result.rows)); // at /callback
      }),
  },
  () => pool.end(),
);
