import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';
import { analyse } from './model.ts';

export interface Report {
  readonly id: number;
  readonly sentiment: number;
  readonly summary: string;
}

const recentMessages = 'SELECT body FROM messages WHERE room_id = $1 ORDER BY id DESC LIMIT 100';
const insertReport =
  'INSERT INTO reports (room_id, requested_by, sentiment, summary) VALUES ($1, $2, $3, $4) RETURNING id, sentiment, summary';

export async function writeReport(pool: Pool, roomId: number, userId: number): Promise<Report> {
  if (isFixed('report-connection')) return writeReportInSteps(pool, roomId, userId);
  const client = await pool.connect();
  try {
    const messages = await client.query<{ body: string }>(recentMessages, [roomId]);
    const { sentiment, summary } = await analyse(messages.rows.map((message) => message.body));
    const saved = await client.query<Report>(insertReport, [roomId, userId, sentiment, summary]);
    return saved.rows[0]!;
  } finally {
    client.release();
  }
}

async function writeReportInSteps(pool: Pool, roomId: number, userId: number): Promise<Report> {
  const messages = await pool.query<{ body: string }>(recentMessages, [roomId]);
  const { sentiment, summary } = await analyse(messages.rows.map((message) => message.body));
  const saved = await pool.query<Report>(insertReport, [roomId, userId, sentiment, summary]);
  return saved.rows[0]!;
}
