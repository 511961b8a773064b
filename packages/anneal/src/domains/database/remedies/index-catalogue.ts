import { qualifiedName } from '../../../ports/index-sql.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { Sql } from '../../../ports/sql.ts';
import { parseIndexKey } from '../index-ddl.ts';

/** An index as the catalogue holds it. */
export interface CatalogueIndex {
  readonly name: string;
  readonly valid: boolean;
  readonly unique: boolean;
  /** The session that is building it at this moment. */
  readonly buildingPid: number | null;
  readonly schema: string;
  readonly table: string;
  readonly method: string;
  readonly keys: readonly CatalogueKey[];
  readonly include: readonly string[];
  readonly predicate: string | null;
  /** CREATE INDEX as the server prints it. */
  readonly statement: string;
  readonly comment: string | null;
  readonly sizeBytes: number;
}

export interface CatalogueKey {
  readonly expression: string;
  readonly operatorClass: string;
  readonly isDefaultClass: boolean;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/** Indexes of the table, or the one of that name in the table's schema. */
export async function readIndexes(
  sql: Sql,
  schema: string,
  which: { readonly table: string } | { readonly name: string },
): Promise<readonly CatalogueIndex[]> {
  const { rows } = await sql.query<CatalogueIndex>(
    `SELECT c.relname::text AS name, i.indisvalid AND i.indisready AND i.indislive AS valid, i.indisunique AS unique,
            (SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid LIMIT 1) AS "buildingPid",
            tn.nspname::text AS schema, t.relname::text AS "table", am.amname::text AS method,
            (SELECT json_agg(json_build_object(
                      'expression', pg_get_indexdef(c.oid, at, false), 'operatorClass', oc.opcname, 'isDefaultClass', oc.opcdefault,
                      'descending', i.indoption[at - 1] & 1 = 1, 'nullsFirst', i.indoption[at - 1] & 2 = 2) ORDER BY at)
               FROM generate_series(1, i.indnkeyatts) AS at JOIN pg_opclass oc ON oc.oid = i.indclass[at - 1]) AS keys,
            (SELECT coalesce(json_agg(a.attname ORDER BY at), '[]')
               FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS at
               JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[at - 1]) AS include,
            pg_get_expr(i.indpred, i.indrelid) AS predicate,
            pg_get_indexdef(c.oid) AS statement, obj_description(c.oid, 'pg_class') AS comment,
            pg_relation_size(c.oid)::float8 AS "sizeBytes"
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_class t ON t.oid = i.indrelid
       JOIN pg_namespace tn ON tn.oid = t.relnamespace
       JOIN pg_am am ON am.oid = c.relam
      WHERE tn.nspname = $1 AND ${'table' in which ? 't.relname' : 'c.relname'} = $2`,
    [schema, 'table' in which ? which.table : which.name],
  );
  return rows;
}

/** Whether the index is what the definition says, in whatever spelling. Uniqueness is no part of a definition. */
export async function isSameIndex(sql: Sql, index: CatalogueIndex, definition: IndexDefinition): Promise<boolean> {
  const keys = definition.keys.map(parseIndexKey);
  const sameForm =
    index.schema === definition.schema &&
    index.table === definition.table &&
    index.method === definition.method &&
    index.keys.length === keys.length &&
    index.include.length === definition.include.length &&
    index.include.every((column, at) => column === definition.include[at]) &&
    (index.predicate === null) === (definition.predicate === null) &&
    !hasOwnCollation(index) &&
    index.keys.every((key, at) => sameOrder(key, keys[at]!, definition.method) && sameClass(key, keys[at]!.operatorClass));
  if (!sameForm) return false;
  const pairs = index.keys.map((key, at) => [key.expression, keys[at]!.expression] as const);
  if (index.predicate !== null) pairs.push([index.predicate, definition.predicate!]);
  return areEquivalent(sql, definition, pairs);
}

/** The server prints COLLATE on a key only where it is not that of the column or expression; a definition never asks for one. */
function hasOwnCollation({ statement, keys, predicate }: CatalogueIndex): boolean {
  const collations = (text: string) => text.split(' COLLATE ').length - 1;
  const within = [...keys.map(({ expression }) => expression), predicate ?? ''].reduce((sum, text) => sum + collations(text), 0);
  return collations(statement) !== within;
}

type WantedKey = ReturnType<typeof parseIndexKey>;

/** Only a B-tree has an order. */
function sameOrder(key: CatalogueKey, wanted: WantedKey, method: IndexDefinition['method']): boolean {
  return method !== 'btree' || (key.descending === wanted.descending && key.nullsFirst === wanted.nullsFirst);
}

function sameClass(key: CatalogueKey, wanted: string | null): boolean {
  return wanted === null ? key.isDefaultClass : key.operatorClass === wanted;
}

/**
 * Asks the server itself whether expressions over a table mean the same: both sides go through its parser
 * and planner, which print them back in one spelling (`lower(email)` and `lower((email)::text)` agree).
 */
async function areEquivalent(sql: Sql, table: IndexDefinition, pairs: readonly (readonly [string, string])[]): Promise<boolean> {
  const different = pairs.filter(([a, b]) => a !== b);
  if (different.length === 0) return true;
  const columns = different.flat().map((expression) => `(${expression})`);
  const { rows } = await sql.query<{ 'QUERY PLAN': readonly [{ readonly Plan: { readonly Output: readonly string[] } }] }>(
    `EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT ${columns.join(', ')} FROM ONLY ${qualifiedName(table.schema, table.table)}`,
  );
  const printed = rows[0]!['QUERY PLAN'][0].Plan.Output;
  return different.every((_, at) => printed[2 * at] === printed[2 * at + 1]);
}
