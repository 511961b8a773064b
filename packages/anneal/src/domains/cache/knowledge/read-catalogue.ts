import type { Sql } from '../../../ports/sql.ts';

/** What the catalogue says of the tables that statements name, and of what hangs on them. */
export interface Catalogue {
  readonly tables: readonly CatalogueTable[];
  readonly functions: readonly CatalogueFunction[];
}

export interface CatalogueTable {
  readonly schema: string;
  readonly name: string;
  /** `pg_class.relkind`. */
  readonly kind: string;
  readonly rowSecurity: boolean;
  /** Its changes are in no log. */
  readonly unlogged: boolean;
  /** The column of a primary key that has just one, and whose values have one spelling. */
  readonly key: { readonly column: string; readonly type: 'integer' | 'text' | 'uuid' } | null;
  /** The query behind a view. */
  readonly definition: string | null;
  /** `schema.table` of the tables it inherits from or is a partition of, and of those below it, at any distance. */
  readonly relatives: readonly string[];
  readonly triggers: readonly { readonly action: 'insert' | 'update' | 'delete'; readonly harmless: boolean }[];
  /** A rule rewrites what is written to it. */
  readonly rewritten: boolean;
  /** What a write to it does to others by foreign keys. */
  readonly cascades: readonly {
    readonly table: string;
    readonly action: 'update' | 'delete';
    /** Of this table: an UPDATE of others sets off nothing. */
    readonly columns: readonly string[];
    /** What is done to the other table's rows. */
    readonly effect: 'update' | 'delete';
  }[];
}

export interface CatalogueFunction {
  readonly schema: string;
  readonly name: string;
  /** The least stable of those with this name: `i`mmutable, `s`table, `v`olatile. */
  readonly volatility: 'i' | 's' | 'v';
}

/**
 * What PL/pgSQL needs to touch another table, or to run what it was handed. A trigger without any of it can only change
 * the row at hand. Literals and comments are taken out before, names in double quotes stay.
 */
const tablesSql = `
WITH RECURSIVE ancestors AS (
  SELECT inhrelid AS relation, inhparent AS relative FROM pg_inherits
  UNION SELECT ancestors.relation, inhparent FROM ancestors JOIN pg_inherits ON inhrelid = relative
), relatives AS (
  SELECT relation, relative FROM ancestors UNION SELECT relative, relation FROM ancestors
), bodies AS (
  SELECT p.oid, l.lanname = 'plpgsql' AND regexp_replace(p.prosrc, '--[^\\n]*|/\\*.*?\\*/|''(?:[^'']|'''')*''', ' ', 'g')
    !~* '\\m(insert|update|delete|merge|select|perform|execute|call|truncate|copy|with|refresh|notify|lock|create|alter|drop|do|import)\\M|\\$' AND NOT EXISTS (
      SELECT FROM regexp_matches(p.prosrc, '([^][\\s()+*/<>=,;:|!&%^~-]+)\\s*\\(', 'g') AS called,
        LATERAL (SELECT lower(regexp_replace(called[1], '^.*\\.', '')) AS name) c
      WHERE c.name NOT IN ('if', 'elsif', 'and', 'or', 'not', 'in', 'coalesce', 'nullif', 'greatest', 'least', 'case', 'when', 'return', 'then', 'else')
        AND (NOT EXISTS (SELECT FROM pg_proc f WHERE f.proname = c.name)
          OR EXISTS (SELECT FROM pg_proc f WHERE f.proname = c.name AND (f.pronamespace <> 'pg_catalog'::regnamespace
            OR f.provolatile = 'v' AND f.proname NOT IN ('clock_timestamp', 'gen_random_uuid', 'random'))))
    ) AS harmless
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
  WHERE p.oid IN (SELECT tgfoid FROM pg_trigger WHERE NOT tgisinternal)
)
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relrowsecurity AS "rowSecurity", c.relpersistence = 'u' AS unlogged,
  (SELECT jsonb_build_object('column', a.attname, 'type', CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
      WHEN a.atttypid = 'uuid'::regtype THEN 'uuid' WHEN co.collisdeterministic AND a.atttypid IN ('text'::regtype, 'varchar'::regtype) THEN 'text' END)
   FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] LEFT JOIN pg_collation co ON co.oid = a.attcollation
   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1) AS key,
  CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS definition,
  ARRAY(SELECT rn.nspname || '.' || r.relname FROM relatives JOIN pg_class r ON r.oid = relative JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE relation = c.oid) AS relatives,
  COALESCE((SELECT jsonb_agg(jsonb_build_object('action', action, 'harmless', COALESCE(b.harmless, false)))
    FROM pg_trigger t LEFT JOIN bodies b ON b.oid = t.tgfoid,
      LATERAL (VALUES ('insert', 4), ('delete', 8), ('update', 16)) AS events(action, bit)
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & bit <> 0), '[]') AS triggers,
  EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1') AS rewritten,
  COALESCE((SELECT jsonb_agg(jsonb_build_object('table', on_.nspname || '.' || o.relname, 'action', action,
      'columns', ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY (k.confkey)),
      'effect', CASE WHEN action = 'delete' AND effect = 'c' THEN 'delete' ELSE 'update' END))
    FROM pg_constraint k JOIN pg_class o ON o.oid = k.conrelid JOIN pg_namespace on_ ON on_.oid = o.relnamespace,
      LATERAL (VALUES ('delete', k.confdeltype), ('update', k.confupdtype)) AS effects(action, effect)
    WHERE k.contype = 'f' AND k.confrelid = c.oid AND effect IN ('c', 'n', 'd')), '[]') AS cascades
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast%'`;

const functionsSql = `
SELECT n.nspname AS schema, p.proname AS name, max(p.provolatile::text) AS volatility
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proname = ANY ($1) GROUP BY 1, 2`;

interface TableRow extends Omit<CatalogueTable, 'key'> {
  readonly key: { readonly column: string; readonly type: 'integer' | 'text' | 'uuid' | null } | null;
}

export async function readTables(sql: Sql): Promise<readonly CatalogueTable[]> {
  const { rows } = await sql.query<TableRow>(tablesSql);
  return rows.map(({ key, ...table }) => ({
    ...table,
    key: key === null || key.type === null ? null : { column: key.column, type: key.type },
  }));
}

export async function readFunctions(sql: Sql, names: Iterable<string>): Promise<readonly CatalogueFunction[]> {
  return (await sql.query<CatalogueFunction>(functionsSql, [[...names]])).rows;
}
