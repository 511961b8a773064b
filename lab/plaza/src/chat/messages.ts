import type { Pool } from 'pg';

export interface Message {
  readonly id: number;
  readonly authorId: number;
  readonly body: string;
  readonly createdAt: Date;
}

export async function latestMessages(pool: Pool, roomId: number): Promise<readonly Message[]> {
  const latest = await pool.query<Message>(
    `SELECT id, author_id AS "authorId", body, created_at AS "createdAt" FROM messages WHERE room_id = $1 ORDER BY id DESC LIMIT 50`,
    [roomId],
  );
  return latest.rows;
}

export async function saveMessage(pool: Pool, roomId: number, authorId: number, body: string): Promise<Message> {
  const saved = await pool.query<Message>(
    `INSERT INTO messages (room_id, author_id, body) VALUES ($1, $2, $3)
     RETURNING id, author_id AS "authorId", body, created_at AS "createdAt"`,
    [roomId, authorId, body],
  );
  return saved.rows[0]!;
}
