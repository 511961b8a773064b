import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface LastPost {
  readonly id: number;
  readonly authorId: number;
  readonly title: string;
  readonly body: string;
}

export const lastOfEachDay = `SELECT id, "authorId", title, body
   FROM (SELECT DISTINCT ON (created_at::date) id, author_id AS "authorId", title, body
           FROM posts
          ORDER BY created_at::date, id DESC) last
  ORDER BY id DESC
  LIMIT 10`;

/** How the last ten days ended: of each the last post. */
export async function lastPosts(pool: Pool): Promise<readonly LastPost[]> {
  if (isFixed('last-posts-sort')) return lastPostsInMemory(pool);
  const posts = await pool.query<LastPost>(lastOfEachDay);
  return posts.rows;
}

async function lastPostsInMemory(pool: Pool): Promise<readonly LastPost[]> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN; SET LOCAL work_mem = '64MB'");
    const posts = await client.query<LastPost>(lastOfEachDay);
    await client.query('COMMIT');
    return posts.rows;
  } finally {
    client.release();
  }
}
