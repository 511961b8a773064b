import type { Pool, PoolClient } from 'pg';
import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

export interface Verdict {
  readonly verdict: string;
}

/** What moderation thinks of a post; null where there is no such post. */
export async function moderate(pool: Pool, town: Town, postId: number): Promise<Verdict | null> {
  if (isFixed('moderation-transaction')) {
    const body = await readBody(pool, postId);
    return body === null ? null : askModeration(town, body);
  }
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const body = await readBody(client, postId);
    const verdict = body === null ? null : await askModeration(town, body);
    await client.query('COMMIT');
    return verdict;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function readBody(database: Pool | PoolClient, postId: number): Promise<string | null> {
  const found = await database.query<{ body: string }>('SELECT body FROM posts WHERE id = $1', [postId]);
  return found.rows[0]?.body ?? null;
}

async function askModeration(town: Town, body: string): Promise<Verdict> {
  const answer = await fetch(`${town.url}/moderation`, { method: 'POST', body, signal: AbortSignal.timeout(patienceMs) });
  return (await answer.json()) as Verdict;
}
