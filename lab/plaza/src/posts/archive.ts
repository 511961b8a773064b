import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface ArchivedPost {
  readonly id: number;
  readonly title: string;
  readonly author: string;
  readonly createdAt: Date;
}

const pageSize = 20;

/** Newest first. `before` is the id of the last post already seen. */
export async function listArchive(pool: Pool, page: number, before: number): Promise<readonly ArchivedPost[]> {
  if (isFixed('archive-offset')) {
    const posts = await pool.query<ArchivedPost>(
      `SELECT p.id, p.title, u.handle AS author, p.created_at AS "createdAt"
         FROM posts p
         JOIN users u ON u.id = p.author_id
        WHERE p.id < $1
        ORDER BY p.id DESC
        LIMIT $2`,
      [before, pageSize],
    );
    return posts.rows;
  }
  const posts = await pool.query<ArchivedPost>(
    `SELECT p.id, p.title, u.handle AS author, p.created_at AS "createdAt"
       FROM posts p
       JOIN users u ON u.id = p.author_id
      ORDER BY p.id DESC
      LIMIT $1 OFFSET $2`,
    [pageSize, (page - 1) * pageSize],
  );
  return posts.rows;
}
