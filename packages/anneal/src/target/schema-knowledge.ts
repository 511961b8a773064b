import type { Sql } from '../ports/sql.ts';

/**
 * Everything in a database's schema that what Anneal knows of statements may rest on: what columns there are, what reading a table
 * or writing to it sets off, and which rows a role sees. Indexes are not among it, but for those that are constraints: they change
 * how fast an answer is, and Anneal itself builds them. Deparsing makes it dearer than a look at a catalogue: some 10 ms for a
 * hundred tables.
 */
const factsSql = `
WITH own AS (
  SELECT oid, nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
), relations AS (
  SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence, own.nspname || '.' || c.relname AS name
    FROM pg_class c JOIN own ON own.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
), facts(fact) AS (
  SELECT concat_ws(' ', 'relation', name, relkind, relrowsecurity, relforcerowsecurity, relpersistence) FROM relations
  UNION ALL
  SELECT concat_ws(' ', 'column', name, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attcollation, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN relations ON relations.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
   WHERE attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT concat_ws(' ', 'constraint', name, conname, pg_get_constraintdef(con.oid)) FROM pg_constraint con JOIN relations ON relations.oid = conrelid
  UNION ALL
  SELECT concat_ws(' ', 'inherits', name, inhparent::regclass) FROM pg_inherits JOIN relations ON relations.oid = inhrelid
  UNION ALL
  SELECT concat_ws(' ', 'trigger', name, tgenabled, pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN relations ON relations.oid = tgrelid WHERE NOT tgisinternal
  UNION ALL
  SELECT concat_ws(' ', 'rule', name, ev_enabled, pg_get_ruledef(r.oid)) FROM pg_rewrite r JOIN relations ON relations.oid = ev_class
  UNION ALL
  SELECT concat_ws(' ', 'policy', name, polname, polcmd, polpermissive, polroles::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy JOIN relations ON relations.oid = polrelid
  UNION ALL
  SELECT concat_ws(' ', 'function', nspname, proname, pg_get_function_identity_arguments(p.oid), provolatile,
    CASE WHEN prokind IN ('f', 'p') THEN md5(pg_get_functiondef(p.oid)) END)
    FROM pg_proc p JOIN own ON own.oid = pronamespace
  UNION ALL
  SELECT concat_ws(' ', 'operator', nspname, oprname, oprleft::regtype, oprright::regtype, oprcode::regproc) FROM pg_operator JOIN own ON own.oid = oprnamespace
  UNION ALL
  SELECT concat_ws(' ', 'label', enumtypid::regtype, enumlabel, enumsortorder) FROM pg_enum
)
SELECT md5(string_agg(fact, E'\\n' ORDER BY fact COLLATE "C")) AS knowledge FROM facts`;

/** Equal as long as nothing changed that what Anneal knows of the database's statements rests on; of another database with the same schema, too. */
export async function schemaKnowledge(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ knowledge: string | null }>(factsSql, [], { timeoutMs: 30_000 });
  return rows[0]?.knowledge ?? '';
}
