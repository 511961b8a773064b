import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';

export interface Notification {
  readonly id: number;
  readonly kind: string;
  readonly text: string;
  readonly read: boolean;
  readonly createdAt: Date;
}

export async function latestNotifications(pool: Pool, userId: number): Promise<readonly Notification[]> {
  const latest = await pool.query<Notification>(
    `SELECT id, kind, text, read, created_at AS "createdAt"
       FROM notifications
      WHERE user_id = $1
      ORDER BY created_at DESC
      LIMIT 10`,
    [userId],
  );
  return latest.rows;
}

export function notificationRoutes(app: FastifyInstance, pool: Pool): void {
  app.get('/notifications', { preHandler: requireViewer }, async (request) => ({
    notifications: await latestNotifications(pool, request.viewerId),
  }));
}
