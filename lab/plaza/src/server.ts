import { join } from 'node:path';
import serveStatic from '@fastify/static';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { accountRoutes } from './accounts/routes.ts';
import { identifyViewers } from './accounts/viewer.ts';
import { announcementRoutes } from './announcements/routes.ts';
import { bookmarkRoutes } from './bookmarks/routes.ts';
import { createRoomListeners } from './chat/room-listeners.ts';
import { chatRoutes } from './chat/routes.ts';
import { acceptSockets } from './chat/socket.ts';
import { eventRoutes } from './events/routes.ts';
import { feedRoutes } from './feed/routes.ts';
import { insightRoutes } from './insights/routes.ts';
import { mediaRoutes } from './media/routes.ts';
import { meetupRoutes } from './meetups/routes.ts';
import { notificationRoutes } from './notifications/routes.ts';
import { overviewRoutes } from './overview/routes.ts';
import { postRoutes } from './posts/routes.ts';
import { promptRoutes } from './prompts/routes.ts';
import { reportRoutes } from './reports/routes.ts';

export async function createServer(pool: Pool): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: process.env['LOG_LEVEL'] ?? 'warn' } });
  const listeners = createRoomListeners();
  identifyViewers(app);
  await app.register(serveStatic, { root: join(import.meta.dirname, '..', 'public') });
  app.get('/health', async () => {
    await pool.query('SELECT 1');
    return { status: 'ok' };
  });
  accountRoutes(app, pool);
  postRoutes(app, pool);
  mediaRoutes(app, pool);
  notificationRoutes(app, pool);
  feedRoutes(app, pool);
  promptRoutes(app, pool);
  overviewRoutes(app, pool);
  bookmarkRoutes(app, pool);
  chatRoutes(app, pool, listeners);
  acceptSockets(app, pool, listeners);
  reportRoutes(app, pool);
  eventRoutes(app, pool);
  insightRoutes(app, pool);
  meetupRoutes(app, pool);
  announcementRoutes(app, pool);
  return app;
}
