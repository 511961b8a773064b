import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';

const firstRunMs = 20_000;
const intervalMs = 60 * 60 * 1000;

interface Leader {
  readonly id: number;
  readonly received: number;
}

/** The members whose posts were liked and discussed most, worked out once an hour. */
export async function computeLeaderboard(pool: Pool): Promise<readonly Leader[]> {
  const leaders = await pool.query<Leader>(
    `SELECT p.author_id AS id, count(DISTINCT l.user_id)::int + count(DISTINCT c.id)::int AS received
       FROM posts p
       LEFT JOIN likes l ON l.post_id = p.id
       LEFT JOIN comments c ON c.post_id = p.id AND c.author_id <> p.author_id
      WHERE p.created_at >= (SELECT max(created_at) - interval '30 days' FROM posts)
      GROUP BY p.author_id
      ORDER BY received DESC, id
      LIMIT 50`,
  );
  return leaders.rows;
}

export function startLeaderboard(pool: Pool, log: FastifyBaseLogger): { stop(): void } {
  const run = () => {
    computeLeaderboard(pool).then(
      (leaders) => log.info({ leaders: leaders.length }, 'the leaderboard is up to date'),
      (error: unknown) => log.error(error, 'the leaderboard could not be worked out'),
    );
  };
  const first = setTimeout(run, firstRunMs);
  const later = setInterval(run, intervalMs);
  return {
    stop() {
      clearTimeout(first);
      clearInterval(later);
    },
  };
}
