import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

export interface Face {
  readonly id: number;
  readonly url: string;
}

/** The members who joined from this one on. */
export async function neighboursOf(pool: Pool, memberId: number): Promise<readonly number[]> {
  const members = await pool.query<{ id: number }>('SELECT id FROM users WHERE id >= $1 ORDER BY id LIMIT 6', [memberId]);
  return members.rows.map(({ id }) => id);
}

export async function facesOf(town: Town, memberIds: readonly number[]): Promise<readonly Face[]> {
  if (isFixed('face-calls')) return facesTogether(town, memberIds);
  const faces: Face[] = [];
  for (const id of memberIds) {
    const answer = await fetch(`${town.url}/faces/${id}`, { signal: AbortSignal.timeout(patienceMs) });
    faces.push((await answer.json()) as Face);
  }
  return faces;
}

async function facesTogether(town: Town, memberIds: readonly number[]): Promise<readonly Face[]> {
  const answer = await fetch(`${town.url}/faces?ids=${memberIds.join(',')}`, { signal: AbortSignal.timeout(patienceMs) });
  return (await answer.json()) as readonly Face[];
}
