import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { isFixed } from '../fix.ts';
import { readFeed, readFeedOf, type FeedItem } from './feed-store.ts';

export function feedRoutes(app: FastifyInstance, pool: Pool): void {
  // Prompts and their authors change with a migration only, which restarts the backend: one reading serves until then.
  let kept: Promise<readonly FeedItem[]> | null = null;
  const read = () => (isFixed('feed-repeats') ? (kept ??= readFeed(pool)) : readFeed(pool));
  app.get('/feed', async () => ({ prompts: await read() }));
}

export function memberFeed(app: FastifyInstance, pool: Pool): void {
  app.get('/feed/mine', { preHandler: requireViewer }, async (request) => ({ prompts: await readFeedOf(pool, request.viewerId) }));
}
