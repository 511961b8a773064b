import type { Pool } from 'pg';

export async function ratePrompt(pool: Pool, promptId: number, userId: number, stars: number): Promise<void> {
  await pool.query(
    'INSERT INTO prompt_ratings (prompt_id, user_id, stars) VALUES ($1, $2, $3) ON CONFLICT (prompt_id, user_id) DO UPDATE SET stars = $3',
    [promptId, userId, stars],
  );
}
