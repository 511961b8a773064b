import type { Pool } from 'pg';

export interface TopicTotal {
  readonly name: string;
  readonly posts: number;
  readonly latestAt: Date;
}

export async function topicTotals(pool: Pool): Promise<readonly TopicTotal[]> {
  const totals = await pool.query<TopicTotal>(
    `SELECT t.name, count(*)::int AS posts, max(p.created_at) AS "latestAt"
       FROM posts p
       JOIN topics t ON t.id = p.topic_id
      GROUP BY t.name
      ORDER BY t.name`,
  );
  return totals.rows;
}
