import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { matchSchema } from './schema-forms.ts';

const migrationsFolder = join(import.meta.dirname, '..', 'migrations');

/** Runs the migrations that the database has not seen, each in its own transaction. */
export async function migrate(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    const applied = await client.query<{ name: string }>('SELECT name FROM schema_migrations');
    const done = new Set(applied.rows.map((row) => row.name));
    const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).sort();
    for (const name of names.filter((name) => !done.has(name))) {
      const sql = await readFile(join(migrationsFolder, name), 'utf8');
      await client.query('BEGIN');
      try {
        await client.query(sql);
        await client.query('INSERT INTO schema_migrations (name) VALUES ($1)', [name]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    }
  } finally {
    await client.end();
  }
}

if (import.meta.main) {
  const databaseUrl = process.env['DATABASE_URL'];
  if (databaseUrl === undefined) throw new Error('DATABASE_URL is not set');
  await migrate(databaseUrl);
  await matchSchema(databaseUrl, process.env['PLAZA_FIX']);
}
