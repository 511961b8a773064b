import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { createBookmarkStore } from './bookmark-store.ts';

const newBookmark = {
  type: 'object',
  required: ['postId'],
  properties: { postId: { type: 'integer', minimum: 1 }, note: { type: 'string', maxLength: 500, default: '' } },
};

export function bookmarkRoutes(app: FastifyInstance, pool: Pool): void {
  const store = createBookmarkStore(pool);

  app.get('/bookmarks', { preHandler: requireViewer }, async (request) => ({ bookmarks: await store.list(request.viewerId) }));

  app.post<{ Body: { postId: number; note: string } }>(
    '/bookmarks',
    { schema: { body: newBookmark }, preHandler: requireViewer },
    async (request, reply) => {
      await store.add(request.viewerId, request.body.postId, request.body.note);
      return reply.code(204).send();
    },
  );
}
