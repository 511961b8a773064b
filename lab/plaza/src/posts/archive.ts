import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface ArchivedPost {
  readonly id: number;
  readonly title: string;
  readonly authorId: number;
  readonly createdAt: Date;
}

const pageSize = 20;

/** Newest first. `before` is the id of the last post already seen. */
export async function listArchive(pool: Pool, page: number, before: number): Promise<readonly ArchivedPost[]> {
  if (isFixed('archive-offset')) {
    const posts = await pool.query<ArchivedPost>(
      `SELECT id, title, author_id AS "authorId", created_at AS "createdAt"
         FROM posts
        WHERE id < $1
        ORDER BY id DESC
        LIMIT $2`,
      [before, pageSize],
    );
    return posts.rows;
  }
  const posts = await pool.query<ArchivedPost>(
    `SELECT id, title, author_id AS "authorId", created_at AS "createdAt"
       FROM posts
      ORDER BY id DESC
      LIMIT $1 OFFSET $2`,
    [pageSize, (page - 1) * pageSize],
  );
  return posts.rows;
}
