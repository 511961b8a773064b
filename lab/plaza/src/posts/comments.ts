import type { Pool } from 'pg';
import { audit } from '../audit/audit.ts';
import { isFixed } from '../fix.ts';

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

/** What moderators take down. What members have flagged about it goes with it. */
export async function removeComment(pool: Pool, commentId: number, moderatorId: number): Promise<void> {
  const removed = await pool.query('DELETE FROM comments WHERE id = $1', [commentId]);
  if (removed.rowCount === 1) await audit(pool, moderatorId, 'removed a comment', commentId);
}

/** Whether anything was said since the last comment a visitor has seen: lights the bell. */
export async function hasNewComments(pool: Pool, after: number): Promise<boolean> {
  const text = isFixed('new-comments-count')
    ? 'SELECT EXISTS (SELECT FROM comments WHERE id > $1) AS fresh'
    : 'SELECT count(*) > 0 AS fresh FROM comments WHERE id > $1';
  const answer = await pool.query<{ fresh: boolean }>(text, [after]);
  return answer.rows[0]!.fresh;
}
