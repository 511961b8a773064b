import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';

export interface Announcement {
  readonly id: number;
  readonly text: string;
}

export async function listAnnouncements(pool: Pool): Promise<readonly Announcement[]> {
  const shown = await pool.query<Announcement>('SELECT id, text FROM announcements WHERE shown_from <= now() ORDER BY shown_from DESC, id');
  return shown.rows;
}

export function announcementRoutes(app: FastifyInstance, pool: Pool): void {
  app.get('/announcements', async () => ({ announcements: await listAnnouncements(pool) }));
}
