import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface OpenedRoom {
  readonly id: number;
  readonly name: string;
}

/** Rooms opened in the month from this day on in which anybody wrote anything. */
export async function livelyRooms(pool: Pool, from: string): Promise<readonly OpenedRoom[]> {
  if (isFixed('lively-rooms-distinct')) {
    const rooms = await pool.query<OpenedRoom>(
      `SELECT r.id, r.name
         FROM rooms r
        WHERE r.created_at >= $1::date AND r.created_at < $1::date + 31
          AND EXISTS (SELECT FROM messages m WHERE m.room_id = r.id)
        ORDER BY r.id`,
      [from],
    );
    return rooms.rows;
  }
  const rooms = await pool.query<OpenedRoom>(
    `SELECT DISTINCT r.id, r.name
       FROM rooms r
       JOIN messages m ON m.room_id = r.id
      WHERE r.created_at >= $1::date AND r.created_at < $1::date + 31
      ORDER BY r.id`,
    [from],
  );
  return rooms.rows;
}
