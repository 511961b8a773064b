import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface Invitation {
  readonly id: number;
  readonly meetupId: number;
  readonly guestId: number;
}

export async function findInvitation(pool: Pool, code: string): Promise<Invitation | null> {
  const found = await pool.query<Invitation>('SELECT id, meetup_id AS "meetupId", guest_id AS "guestId" FROM invitations WHERE code = $1', [
    code,
  ]);
  return found.rows[0] ?? null;
}

export async function invite(pool: Pool, meetupId: number, guests: readonly number[]): Promise<void> {
  if (isFixed('invitation-inserts')) return inviteTogether(pool, meetupId, guests);
  for (const guest of guests) {
    await pool.query('INSERT INTO invitations (meetup_id, guest_id, code) VALUES ($1, $2, $3)', [meetupId, guest, newCode()]);
  }
}

async function inviteTogether(pool: Pool, meetupId: number, guests: readonly number[]): Promise<void> {
  await pool.query(
    'INSERT INTO invitations (meetup_id, guest_id, code) SELECT $1, guest, code FROM unnest($2::int[], $3::text[]) AS invited (guest, code)',
    [meetupId, guests, guests.map(() => newCode())],
  );
}

function newCode(): string {
  return randomBytes(9).toString('base64url');
}
