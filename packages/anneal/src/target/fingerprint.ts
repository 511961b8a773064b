import { createHash } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import type { Sql } from '../ports/sql.ts';
import type { Target, TargetFingerprint } from './target.ts';

/** Columns and indexes of every user schema, in an order that does not depend on creation. Any role may read it. */
const schemaFacts = `
  SELECT 'column' AS kind, n.nspname AS schema, c.relname AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS definition
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
     AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'index', schemaname, tablename, indexname, indexdef FROM pg_indexes
   WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname <> 'information_schema'
   ORDER BY 1, 2, 3, 4`;

export async function fingerprintOf(target: Target, nodeVersion: string | null, sql: Sql | null): Promise<TargetFingerprint> {
  const facts = sql === null ? null : await sql.query<Record<string, string>>(schemaFacts);
  const version = sql === null ? null : await sql.query<{ server_version: string }>('SHOW server_version');
  return {
    name: target.name,
    startCommand: target.startCommand,
    nodeVersion,
    databaseVersion: version === null ? null : `PostgreSQL ${version.rows[0]!.server_version}`,
    schemaHash: facts === null ? null : createHash('sha256').update(JSON.stringify(facts.rows)).digest('hex'),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
  };
}
