import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';

export interface Attachment {
  readonly id: number;
  readonly postId: number;
  readonly url: string;
}

const mediaQuery = {
  type: 'object',
  required: ['camera', 'tag'],
  properties: { camera: { type: 'string', maxLength: 40 }, tag: { type: 'string', maxLength: 40 } },
};

export async function findMedia(pool: Pool, camera: string, tag: string): Promise<readonly Attachment[]> {
  const found = await pool.query<Attachment>('SELECT id, post_id AS "postId", url FROM attachments WHERE media @> $1::jsonb ORDER BY id', [
    JSON.stringify({ camera, tags: [tag] }),
  ]);
  return found.rows;
}

export function mediaRoutes(app: FastifyInstance, pool: Pool): void {
  app.get<{ Querystring: { camera: string; tag: string } }>('/media', { schema: { querystring: mediaQuery } }, async (request) => ({
    attachments: await findMedia(pool, request.query.camera, request.query.tag),
  }));
}
