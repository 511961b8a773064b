import type { Pool } from 'pg';

export interface Account {
  readonly id: number;
  readonly handle: string;
  readonly password_hash: string;
}

/** People type their address in whatever case they like. */
export async function findAccountByEmail(pool: Pool, email: string): Promise<Account | null> {
  const found = await pool.query<Account>('SELECT id, handle, password_hash FROM users WHERE lower(email) = lower($1)', [email]);
  return found.rows[0] ?? null;
}

export async function follow(pool: Pool, followerId: number, followeeId: number): Promise<void> {
  await pool.query('INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [followerId, followeeId]);
}

export async function listFollowing(pool: Pool, userId: number): Promise<readonly unknown[]> {
  const follows = await pool.query('SELECT * FROM follows WHERE follower_id = $1 ORDER BY followee_id LIMIT 100', [userId]);
  return follows.rows;
}
