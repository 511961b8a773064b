import type { Pool } from 'pg';

/** Where a reader stopped, so that the post opens there. */
export async function saveReadingPosition(pool: Pool, userId: number, postId: number, line: number): Promise<void> {
  const moved = await pool.query('UPDATE reading_positions SET line = $3, updated_at = now() WHERE user_id = $1 AND post_id = $2', [
    userId,
    postId,
    line,
  ]);
  if (moved.rowCount === 0) {
    await pool.query('INSERT INTO reading_positions (user_id, post_id, line) VALUES ($1, $2, $3)', [userId, postId, line]);
  }
}
