import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface AuthoredPost {
  readonly id: number;
  readonly title: string;
}

/** Posts in which a member had a hand, as author or as editor. */
export async function postsBy(pool: Pool, handle: string): Promise<readonly AuthoredPost[]> {
  if (isFixed('post-hands-or')) return postsByEither(pool, handle);
  const posts = await pool.query<AuthoredPost>(
    `SELECT p.id, p.title
       FROM posts p
       JOIN users author ON author.id = p.author_id
       JOIN users editor ON editor.id = p.editor_id
      WHERE author.handle = $1 OR editor.handle = $1
      ORDER BY p.id DESC`,
    [handle],
  );
  return posts.rows;
}

async function postsByEither(pool: Pool, handle: string): Promise<readonly AuthoredPost[]> {
  const posts = await pool.query<AuthoredPost>(
    `SELECT p.id, p.title FROM posts p JOIN users u ON u.id = p.author_id WHERE u.handle = $1
      UNION
     SELECT p.id, p.title FROM posts p JOIN users u ON u.id = p.editor_id WHERE u.handle = $1
      ORDER BY id DESC`,
    [handle],
  );
  return posts.rows;
}
