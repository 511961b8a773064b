import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

/** The room's whiteboard: an object to be serialised, or JSON text that is ready to be sent. */
export async function readBoard(pool: Pool, roomId: number): Promise<unknown> {
  if (isFixed('board-serialisation')) {
    const boards = await pool.query<{ document: string }>('SELECT document::text AS document FROM boards WHERE room_id = $1', [roomId]);
    return boards.rows[0]?.document;
  }
  const boards = await pool.query<{ document: unknown }>('SELECT document FROM boards WHERE room_id = $1', [roomId]);
  return boards.rows[0]?.document;
}
