import type { Pool } from 'pg';

export interface Profile {
  readonly id: number;
  readonly handle: string;
  readonly displayName: string;
  readonly bio: string;
  readonly followers: number;
  readonly comments: number;
}

export async function readProfile(pool: Pool, userId: number): Promise<Profile | null> {
  const users = await pool.query<Omit<Profile, 'followers' | 'comments'>>(
    'SELECT id, handle, display_name AS "displayName", bio FROM users WHERE id = $1',
    [userId],
  );
  const user = users.rows[0];
  if (user === undefined) return null;
  const followers = await pool.query<{ total: number }>('SELECT count(*)::int AS total FROM follows WHERE followee_id = $1', [userId]);
  const comments = await countComments(pool, userId);
  return { ...user, followers: followers.rows[0]?.total ?? 0, comments };
}

async function countComments(pool: Pool, authorId: number): Promise<number> {
  const counted = await pool.query<{ total: number }>('SELECT count(*)::int AS total FROM comments WHERE author_id = $1', [authorId]);
  return counted.rows[0]?.total ?? 0;
}
