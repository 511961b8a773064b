import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface LongRead {
  readonly id: number;
  readonly authorId: number;
  readonly title: string;
  readonly body: string;
}

export const longestOfEachDay = `SELECT id, "authorId", title, body
   FROM (SELECT DISTINCT ON (created_at::date) id, author_id AS "authorId", title, body
           FROM posts
          ORDER BY created_at::date, octet_length(body) DESC, id) longest
  ORDER BY octet_length(body) DESC, id
  LIMIT 10`;

/** For long evenings: of each day the longest post, and of those the longest ten. */
export async function longReads(pool: Pool): Promise<readonly LongRead[]> {
  if (isFixed('long-reads-sort')) return longReadsInMemory(pool);
  const posts = await pool.query<LongRead>(longestOfEachDay);
  return posts.rows;
}

async function longReadsInMemory(pool: Pool): Promise<readonly LongRead[]> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN; SET LOCAL work_mem = '64MB'");
    const posts = await client.query<LongRead>(longestOfEachDay);
    await client.query('COMMIT');
    return posts.rows;
  } finally {
    client.release();
  }
}
