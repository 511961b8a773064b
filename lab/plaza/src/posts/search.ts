import type { Pool } from 'pg';

export interface SearchHit {
  readonly id: number;
  readonly title: string;
  readonly createdAt: Date;
}

export async function searchPosts(pool: Pool, term: string): Promise<readonly SearchHit[]> {
  const pattern = `%${term.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  const hits = await pool.query<SearchHit>(
    `SELECT id, title, created_at AS "createdAt" FROM posts WHERE body ILIKE $1 ORDER BY created_at DESC, id DESC LIMIT 30`,
    [pattern],
  );
  return hits.rows;
}
