import { quoteIdentifier, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';

const extension = 'pg_trgm';

/** Written on an extension that a remedy installed: only such a one is ever removed again. */
const mark = 'installed by Anneal for a trigram index';

export interface ExtensionState {
  /** Schema of the operator classes; null when not installed. */
  readonly schema: string | null;
  readonly installedByAnneal: boolean;
  /** The server has its files, so CREATE EXTENSION can work. */
  readonly available: boolean;
  /** Some index, view, function or constraint needs it. */
  readonly inUse: boolean;
}

export async function trigramState(sql: Sql): Promise<ExtensionState> {
  const { rows } = await sql.query<{ schema: string | null; comment: string | null; available: boolean; in_use: boolean }>(
    `SELECT n.nspname::text AS schema, obj_description(e.oid, 'pg_extension') AS comment,
            EXISTS (SELECT FROM pg_available_extensions a WHERE a.name = $1) AS available,
            EXISTS (SELECT FROM pg_depend member
                      JOIN pg_depend dependent ON dependent.refclassid = member.classid AND dependent.refobjid = member.objid
                     WHERE member.refclassid = 'pg_extension'::regclass AND member.refobjid = e.oid AND member.deptype = 'e'
                       AND dependent.classid IN ('pg_class'::regclass, 'pg_rewrite'::regclass, 'pg_proc'::regclass,
                                                 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_trigger'::regclass)
                       AND NOT EXISTS (SELECT FROM pg_depend own
                                        WHERE own.classid = dependent.classid AND own.objid = dependent.objid
                                          AND own.refclassid = 'pg_extension'::regclass AND own.refobjid = e.oid AND own.deptype = 'e')
                   ) AS in_use
       FROM (SELECT) AS once
       LEFT JOIN pg_extension e ON e.extname = $1
       LEFT JOIN pg_namespace n ON n.oid = e.extnamespace`,
    [extension],
  );
  const row = rows[0]!;
  return { schema: row.schema, installedByAnneal: row.comment === mark, available: row.available, inUse: row.in_use };
}

/** Where CREATE EXTENSION puts it: the first schema of the search path that exists and takes new objects. */
export async function creationSchema(sql: Sql): Promise<string | null> {
  const { rows } = await sql.query<{ schema: string | null }>('SELECT current_schema()::text AS schema');
  return rows[0]?.schema ?? null;
}

/** Installation and mark in one transaction: an unmarked installation is never ours. */
export async function installTrigrams(sql: Sql, schema: string): Promise<void> {
  await sql.query('BEGIN');
  try {
    await sql.query(`CREATE EXTENSION ${extension} WITH SCHEMA ${quoteIdentifier(schema)}`);
    await sql.query(`COMMENT ON EXTENSION ${extension} IS ${quoteLiteral(mark)}`);
    await sql.query('COMMIT');
  } catch (error) {
    await sql.query('ROLLBACK');
    throw error;
  }
}

/** Without CASCADE, so that the server itself refuses where something depends on it after all. */
export async function removeTrigrams(sql: Sql): Promise<void> {
  await sql.query(`DROP EXTENSION IF EXISTS ${extension}`);
}
