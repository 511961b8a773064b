import type { Sql } from '../../../ports/sql.ts';

/**
 * Runs `work` with session settings changed, and puts back what was. Session level, because a concurrent
 * build commits several times and `SET LOCAL` would end with the first.
 */
export async function withSettings<T>(sql: Sql, settings: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const before = new Map<string, string>();
  for (const [name, value] of Object.entries(settings)) {
    const { rows } = await sql.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
    before.set(name, rows[0]!.value);
    await set(sql, name, value);
  }
  const restore = async () => {
    for (const [name, value] of before) await set(sql, name, value);
  };
  try {
    const result = await work();
    await restore();
    return result;
  } catch (error) {
    // A connection that broke cannot be restored, and has no settings left; its own error is the one to tell.
    await restore().catch(() => undefined);
    throw error;
  }
}

async function set(sql: Sql, name: string, value: string): Promise<void> {
  await sql.query('SELECT set_config($1, $2, false)', [name, value]);
}
