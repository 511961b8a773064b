import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

interface Room {
  readonly id: number;
  readonly name: string;
}

interface RoomPreview extends Room {
  readonly lastMessage: string | null;
}

interface ListedRoom extends Room {
  readonly purpose: string;
  readonly ownerId: number;
  readonly createdAt: Date;
}

/** The rooms of a member, each with its last message. */
export async function listRooms(pool: Pool, userId: number): Promise<readonly RoomPreview[]> {
  if (isFixed('room-preview-fanout')) {
    const previews = await pool.query<RoomPreview>(
      `SELECT r.id, r.name, latest.body AS "lastMessage"
         FROM room_members m
         JOIN rooms r ON r.id = m.room_id
         LEFT JOIN LATERAL (SELECT body FROM messages WHERE room_id = r.id ORDER BY id DESC LIMIT 1) latest ON true
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

async function previewRoom(pool: Pool, room: Room): Promise<RoomPreview> {
  const latest = await pool.query<{ body: string }>('SELECT body FROM messages WHERE room_id = $1 ORDER BY id DESC LIMIT 1', [room.id]);
  return { ...room, lastMessage: latest.rows[0]?.body ?? null };
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
