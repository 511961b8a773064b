import type { Pool } from 'pg';

/** Everything but the jokes, by kind. */
export async function seriousLikes(pool: Pool, postId: number): Promise<readonly unknown[]> {
  const likes = await pool.query(
    `SELECT kind, count(*)::int AS total FROM likes WHERE post_id = $1 AND kind NOT IN ('funny', 'ironic') GROUP BY kind ORDER BY kind`,
    [postId],
  );
  return likes.rows;
}

/** What a member likes to read about, and how. */
export async function interestsOf(pool: Pool, userId: number): Promise<readonly unknown[]> {
  const interests = await pool.query(
    `SELECT DISTINCT p.topic_id AS "topicId", l.kind
       FROM likes l
       JOIN posts p ON p.id = l.post_id
      WHERE l.user_id = $1
      ORDER BY "topicId", l.kind`,
    [userId],
  );
  return interests.rows;
}
