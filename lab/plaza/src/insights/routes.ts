import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';

/** Shares of each reaction over everything that was ever liked. */
export async function reactionTotals(pool: Pool): Promise<readonly unknown[]> {
  const totals = await pool.query('SELECT kind, count(*)::int AS total FROM likes GROUP BY kind ORDER BY kind');
  return totals.rows;
}

/** For the moderators, when somebody reports copied comments. */
export async function copiedComments(pool: Pool): Promise<readonly unknown[]> {
  const copies = await pool.query(
    `SELECT md5(body) AS digest, count(*)::int AS copies, count(DISTINCT author_id)::int AS authors
       FROM comments
      GROUP BY md5(body)
     HAVING count(*) > 1
      ORDER BY copies DESC, digest
      LIMIT 100`,
  );
  return copies.rows;
}

export function insightRoutes(app: FastifyInstance, pool: Pool): void {
  app.get('/insights/reactions', async () => ({ reactions: await reactionTotals(pool) }));
  app.get('/admin/copied-comments', async () => ({ copies: await copiedComments(pool) }));
}
