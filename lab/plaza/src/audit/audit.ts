import type { Pool } from 'pg';

/** Who did what to whose things, for the day somebody asks. */
export async function audit(pool: Pool, actorId: number, action: string, subjectId: number): Promise<void> {
  await pool.query('INSERT INTO audit_entries (actor_id, action, subject_id) VALUES ($1, $2, $3)', [actorId, action, subjectId]);
}
