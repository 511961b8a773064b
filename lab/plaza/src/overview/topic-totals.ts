import type { Pool } from 'pg';

export interface TopicTotal {
  readonly name: string;
  readonly posts: number;
  readonly averageLength: number;
}

export async function topicTotals(pool: Pool): Promise<readonly TopicTotal[]> {
  const totals = await pool.query<TopicTotal>(
    `SELECT t.name, count(*)::int AS posts, round(avg(length(p.body)))::int AS "averageLength"
       FROM posts p
       JOIN topics t ON t.id = p.topic_id
      GROUP BY t.name
      ORDER BY t.name`,
  );
  return totals.rows;
}
