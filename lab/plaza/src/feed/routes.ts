import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { readFeed } from './feed-store.ts';

export function feedRoutes(app: FastifyInstance, pool: Pool): void {
  app.get('/feed', async () => ({ prompts: await readFeed(pool) }));
}
