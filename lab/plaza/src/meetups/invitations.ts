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

export interface Guest {
  readonly guestId: number;
  readonly meetupId: number;
  readonly invitedAt: Date;
}

export const lastInvitations = `SELECT "guestId", "meetupId", "invitedAt"
   FROM (SELECT DISTINCT ON (guest_id) guest_id AS "guestId", meetup_id AS "meetupId", created_at AS "invitedAt"
           FROM invitations
          ORDER BY guest_id, created_at DESC) latest
  ORDER BY "invitedAt" DESC, "guestId"
  LIMIT 20`;

/** The members who were invited last, each with where to. */
export async function latestGuests(pool: Pool): Promise<readonly Guest[]> {
  if (isFixed('guest-sort')) return latestGuestsInMemory(pool);
  const guests = await pool.query<Guest>(lastInvitations);
  return guests.rows;
}

async function latestGuestsInMemory(pool: Pool): Promise<readonly Guest[]> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN; SET LOCAL work_mem = '64MB'");
    const guests = await client.query<Guest>(lastInvitations);
    await client.query('COMMIT');
    return guests.rows;
  } finally {
    client.release();
  }
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
