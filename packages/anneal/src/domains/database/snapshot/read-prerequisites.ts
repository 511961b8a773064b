import type { SnapshotStatement } from '../../../ports/database-snapshot.ts';
import { qualifiedName, quoteIdentifier, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import { own } from '../probes/database-probe.ts';

/** What an extension brought comes back with the extension. */
const notOfAnExtension = (classId: string, objectId: string) =>
  `NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '${classId}'::regclass AND x.objid = ${objectId} AND x.deptype = 'e')`;
const ofUsers = `n.nspname !~ '^pg_(catalog|toast|temp)' AND n.nspname <> 'information_schema'`;

/** Everything that tables, indexes and statements refer to by name, in an order in which it can be created. */
export async function readPrerequisites(sql: Sql, statements: readonly SnapshotStatement[]): Promise<readonly string[]> {
  return [
    ...(await readCollations(sql)),
    ...(await readTypes(sql)),
    ...(await readTextSearchConfigurations(sql)),
    ...(await readFunctions(sql, statements)),
  ];
}

async function readCollations(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ schema: string; name: string; icu: boolean; deterministic: boolean; locale: string }>(
    own(`SELECT n.nspname AS schema, c.collname AS name, c.collprovider = 'i' AS icu, c.collisdeterministic AS deterministic,
           coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate) AS locale
      FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
     WHERE ${ofUsers} AND ${notOfAnExtension('pg_collation', 'c.oid')} ORDER BY c.oid`),
  );
  return rows.map(
    ({ schema, name, icu, deterministic, locale }) =>
      `CREATE COLLATION ${qualifiedName(schema, name)} (provider = ${icu ? 'icu' : 'libc'}, locale = ${quoteLiteral(locale)}${deterministic ? '' : ', deterministic = false'})`,
  );
}

interface TypeRow {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'e' | 'd' | 'c' | 'r';
  readonly labels: readonly string[];
  readonly base: string | null;
  readonly attributes: readonly string[];
  readonly subtype: string | null;
}

/** Constraints of domains do not steer plans, so they stay where they are. */
async function readTypes(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<TypeRow>(
    own(`SELECT n.nspname AS schema, t.typname AS name, t.typtype AS kind,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
           CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base,
           ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
           (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid) AS subtype
      FROM pg_type t
      JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')) AND ${ofUsers} AND ${notOfAnExtension('pg_type', 't.oid')}
     ORDER BY t.oid`),
  );
  return rows.map(({ schema, name, kind, labels, base, attributes, subtype }) => {
    const type = qualifiedName(schema, name);
    if (kind === 'e') return `CREATE TYPE ${type} AS ENUM (${labels.map(quoteLiteral).join(', ')})`;
    if (kind === 'd') return `CREATE DOMAIN ${type} AS ${base}`;
    if (kind === 'r') return `CREATE TYPE ${type} AS RANGE (SUBTYPE = ${subtype})`;
    return `CREATE TYPE ${type} AS (${attributes.join(', ')})`;
  });
}

/** Only the name matters for an index on `to_tsvector('name', ...)`; dictionaries are files of the server. */
async function readTextSearchConfigurations(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ schema: string; name: string }>(
    own(`SELECT n.nspname AS schema, t.cfgname AS name FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace
          WHERE ${ofUsers} AND ${notOfAnExtension('pg_ts_config', 't.oid')} ORDER BY t.oid`),
  );
  return rows.map(({ schema, name }) => `CREATE TEXT SEARCH CONFIGURATION ${qualifiedName(schema, name)} (COPY = pg_catalog.simple)`);
}

interface FunctionRow {
  readonly name: string;
  readonly definition: string;
  readonly body: string;
  readonly language: string;
  readonly result: string;
  readonly returnsSet: boolean;
  readonly returnsVoid: boolean;
  readonly neededBySchema: boolean;
}

/**
 * Functions that indexes, generated columns or views need, and those the workload calls. The planner evaluates stable
 * and immutable functions for its estimates: one that reads tables would read the shadow's, which hold nothing, at the
 * length of the real ones. So a function that is not simple arithmetic comes with its declaration and an empty body.
 */
async function readFunctions(sql: Sql, statements: readonly SnapshotStatement[]): Promise<readonly string[]> {
  const { rows } = await sql.query<FunctionRow>(
    own(`SELECT p.proname AS name, pg_get_functiondef(p.oid) AS definition, p.prosrc AS body, l.lanname AS language,
           pg_get_function_result(p.oid) AS result, p.proretset AS "returnsSet", p.prorettype = 'void'::regtype AS "returnsVoid",
           EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                      AND d.classid IN ('pg_class'::regclass, 'pg_attrdef'::regclass)) AS "neededBySchema"
      FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_language l ON l.oid = p.prolang
     WHERE p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND l.lanname NOT IN ('internal', 'c')
       AND ${ofUsers} AND ${notOfAnExtension('pg_proc', 'p.oid')} ORDER BY p.oid`),
  );
  const words = new Set(statements.flatMap(({ text }) => text.match(/[\w$]+(?=\s*\()/gu) ?? []).map((word) => word.toLowerCase()));
  return rows
    .filter(({ name, neededBySchema }) => neededBySchema || words.has(name.toLowerCase()))
    .map((row) => (isSafeToEvaluate(row) ? row.definition : hollow(row)));
}

function isSafeToEvaluate({ language, body }: FunctionRow): boolean {
  return (language === 'sql' || language === 'plpgsql') && !/\b(?:from|insert|update|delete|merge|perform|execute|copy)\b/iu.test(body);
}

/** The declaration as pg_get_functiondef gives it, up to the language, with a body that gives nothing back. */
function hollow({ definition, returnsSet, returnsVoid }: FunctionRow): string {
  const declaration = definition.slice(0, /\n(?:AS |BEGIN ATOMIC|RETURN )/u.exec(definition)?.index ?? definition.length);
  const body = returnsSet || returnsVoid ? 'BEGIN RETURN; END' : 'BEGIN RETURN NULL; END';
  return `${declaration.replace(/\n LANGUAGE (?:"(?:[^"]|"")+"|\w+)/u, '\n LANGUAGE plpgsql').replace(/\bTRANSFORM FOR TYPE [^\n]*/u, '')}\nAS ${quoteLiteral(body)}`;
}

/** Views of users, each after those it reads: a view cannot be older than what it reads. */
export async function readViews(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ schema: string; name: string; definition: string }>(
    own(`SELECT n.nspname AS schema, c.relname AS name, pg_get_viewdef(c.oid) AS definition
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'v' AND c.relpersistence <> 't' AND ${ofUsers} AND ${notOfAnExtension('pg_class', 'c.oid')} ORDER BY c.oid`),
  );
  return rows.map(
    ({ schema, name, definition }) =>
      `CREATE VIEW ${quoteIdentifier(schema)}.${quoteIdentifier(name)} AS ${definition.replace(/;\s*$/u, '')}`,
  );
}
