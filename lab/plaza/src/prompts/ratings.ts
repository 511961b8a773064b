import type { Pool } from 'pg';

export async function ratePrompt(pool: Pool, promptId: number, userId: number, stars: number): Promise<void> {
  await pool.query(
    'INSERT INTO prompt_ratings (prompt_id, user_id, stars) VALUES ($1, $2, $3) ON CONFLICT (prompt_id, user_id) DO UPDATE SET stars = $3',
    [promptId, userId, stars],
  );
}

export interface LikedTogether {
  readonly id: number;
  readonly members: number;
}

/** What else is loved by those who love this prompt. */
export async function alsoLoved(pool: Pool, promptId: number): Promise<readonly LikedTogether[]> {
  const prompts = await pool.query<LikedTogether>(
    `SELECT other.prompt_id AS id, count(*)::int AS members
       FROM prompt_ratings loved
       JOIN prompt_ratings other ON other.user_id = loved.user_id AND other.prompt_id <> loved.prompt_id
      WHERE loved.prompt_id = $1 AND loved.stars = 5 AND other.stars = 5
      GROUP BY other.prompt_id
      ORDER BY members DESC, id
      LIMIT 5`,
    [promptId],
  );
  return prompts.rows;
}
