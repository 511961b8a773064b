import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

interface Room {
  readonly id: number;
  readonly name: string;
}

interface RoomActivity {
  readonly lastMessageId: number | null;
  readonly participants: number;
}

interface ListedRoom extends Room {
  readonly purpose: string;
  readonly ownerId: number;
  readonly createdAt: Date;
}

/** The rooms of a member, each with what goes on in it. */
export async function listRooms(pool: Pool, userId: number): Promise<readonly (Room & RoomActivity)[]> {
  if (isFixed('room-preview-fanout')) {
    const previews = await pool.query<Room & RoomActivity>(
      `SELECT r.id, r.name, activity.*
         FROM room_members m
         JOIN rooms r ON r.id = m.room_id
         CROSS JOIN LATERAL (SELECT max(id) AS "lastMessageId", count(DISTINCT author_id)::int AS participants
                               FROM messages
                              WHERE room_id = r.id) activity
        WHERE m.user_id = $1
        ORDER BY r.id`,
      [userId],
    );
    return previews.rows;
  }
  const rooms = await pool.query<Room>(
    'SELECT r.id, r.name FROM room_members m JOIN rooms r ON r.id = m.room_id WHERE m.user_id = $1 ORDER BY r.id',
    [userId],
  );
  return Promise.all(rooms.rows.map((room) => previewRoom(pool, room)));
}

async function previewRoom(pool: Pool, room: Room): Promise<Room & RoomActivity> {
  const activity = await pool.query<RoomActivity>(
    'SELECT max(id) AS "lastMessageId", count(DISTINCT author_id)::int AS participants FROM messages WHERE room_id = $1',
    [room.id],
  );
  return { ...room, ...activity.rows[0]! };
}

/** Every public room, for the "find a room" page. */
export async function listDirectory(pool: Pool, after: number): Promise<readonly ListedRoom[]> {
  if (isFixed('room-directory-limit')) {
    const page = await pool.query<ListedRoom>(
      'SELECT id, name, purpose, owner_id AS "ownerId", created_at AS "createdAt" FROM rooms WHERE id > $1 ORDER BY id LIMIT 100',
      [after],
    );
    return page.rows;
  }
  const rooms = await pool.query<ListedRoom>(
    'SELECT id, name, purpose, owner_id AS "ownerId", created_at AS "createdAt" FROM rooms ORDER BY id',
  );
  return rooms.rows;
}
