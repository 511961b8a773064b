import type { IndexObservation } from '../../../measurement/observations.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { Sql } from '../../../ports/sql.ts';
import { counted, databaseProbe, own } from './database-probe.ts';

/** Every index of the user's tables, taken apart into its keys as SQL. */
export const indexes = databaseProbe('indexes', ['postgres.indexes'], async (sql) => {
  const before = new Map((await read(sql)).map((row) => [row.id, row.scans]));
  return async () => ({
    observations: { 'postgres.indexes': (await read(sql)).flatMap((row) => observe(row, before.get(row.id))) },
  });
});

interface Row {
  readonly id: string;
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly method: string;
  readonly keys: readonly string[];
  readonly include: readonly string[];
  readonly predicate: string | null;
  readonly sizeBytes: number;
  readonly scans: number;
  readonly valid: boolean;
  readonly unique: boolean;
  readonly primary: boolean;
}

/** pg_get_indexdef tells a single key without operator class and order; those come from the catalogue (bits: 1 DESC, 2 NULLS FIRST). */
async function read(sql: Sql): Promise<readonly Row[]> {
  const { rows } = await sql.query<Row>(
    own(`SELECT i.indexrelid::text AS id, ci.relname AS name, n.nspname AS schema, ct.relname AS "table", am.amname AS method,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true)
                        || CASE WHEN co.oid IS NULL OR co.collname = 'default' OR i.indcollation[k - 1] = coalesce(a.attcollation, 0) THEN ''
                                ELSE ' COLLATE ' || quote_ident(co.collname) END
                        || CASE WHEN oc.opcdefault THEN '' ELSE ' ' || quote_ident(oc.opcname) END
                        || CASE i.indoption[k - 1] & 3 WHEN 1 THEN ' DESC NULLS LAST' WHEN 2 THEN ' NULLS FIRST' WHEN 3 THEN ' DESC' ELSE '' END
                   FROM generate_series(1, i.indnkeyatts) k
                   JOIN pg_opclass oc ON oc.oid = i.indclass[k - 1]
                   LEFT JOIN pg_collation co ON co.oid = i.indcollation[k - 1]
                   LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0
                  ORDER BY k) AS keys,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(i.indnkeyatts + 1, i.indnatts) k ORDER BY k) AS include,
           pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
           pg_relation_size(i.indexrelid)::float8 AS "sizeBytes", coalesce(pg_stat_get_numscans(i.indexrelid), 0)::float8 AS scans,
           i.indisvalid AND i.indisready AS valid, i.indisunique AS "unique", i.indisprimary AS "primary"
      FROM pg_index i
      JOIN pg_class ci ON ci.oid = i.indexrelid
      JOIN pg_class ct ON ct.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = ct.relnamespace
      JOIN pg_am am ON am.oid = ci.relam
     WHERE n.nspname !~ '^pg_(catalog|toast|temp)' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname, ct.relname, ci.relname`),
  );
  return rows;
}

const methods: ReadonlySet<string> = new Set(['btree', 'gin', 'gist', 'hash', 'brin']);

/** Access methods of extensions and SP-GiST serve operators that no rule here looks at. */
function observe(row: Row, scansBefore: number | undefined): IndexObservation[] {
  const { schema, table, method, keys, include, predicate, name, sizeBytes, valid, unique, primary } = row;
  if (!methods.has(method)) return [];
  const definition = { schema, table, keys, include, predicate, method: method as IndexDefinition['method'] };
  return [{ name, definition, sizeBytes, scans: counted(scansBefore, row.scans), valid, unique, primary }];
}
