import type { Pool } from 'pg';

export interface Comment {
  readonly id: number;
  readonly body: string;
  readonly createdAt: Date;
  readonly author: string;
}

export async function listComments(pool: Pool, postId: number): Promise<readonly Comment[]> {
  const comments = await pool.query<Comment>(
    `SELECT c.id, c.body, c.created_at AS "createdAt", u.handle AS author
       FROM comments c
       JOIN users u ON u.id = c.author_id
      WHERE c.post_id = $1
      ORDER BY c.created_at, c.id`,
    [postId],
  );
  return comments.rows;
}

export async function addComment(pool: Pool, postId: number, authorId: number, body: string): Promise<number> {
  const created = await pool.query<{ id: number }>('INSERT INTO comments (post_id, author_id, body) VALUES ($1, $2, $3) RETURNING id', [
    postId,
    authorId,
    body,
  ]);
  return created.rows[0]!.id;
}
