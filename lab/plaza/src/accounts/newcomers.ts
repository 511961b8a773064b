import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface Newcomer {
  readonly id: number;
  readonly handle: string;
}

/** The newest members whom nobody follows yet: others are asked to say hello. */
export async function listNewcomers(pool: Pool): Promise<readonly Newcomer[]> {
  const isAlone = isFixed('newcomers-not-in')
    ? 'NOT EXISTS (SELECT FROM follows WHERE followee_id = users.id)'
    : 'id NOT IN (SELECT followee_id FROM follows)';
  const newcomers = await pool.query<Newcomer>(`SELECT id, handle FROM users WHERE ${isAlone} ORDER BY id DESC LIMIT 20`);
  return newcomers.rows;
}
