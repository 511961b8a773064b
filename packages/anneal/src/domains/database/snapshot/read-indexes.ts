import type { SnapshotIndex } from '../../../ports/database-snapshot.ts';
import type { Sql } from '../../../ports/sql.ts';
import { own } from '../probes/database-probe.ts';
import { madeByUsers } from '../probes/user-relations.ts';
import { statisticsColumns, statisticsOf, statisticsVersion, type StatisticsRow } from './read-tables.ts';

const constraints: Readonly<Record<string, SnapshotIndex['constraint']>> = { p: 'primary', u: 'unique', x: 'exclusion' };

interface IndexRow extends Omit<SnapshotIndex, 'constraint' | 'expressionStatistics'> {
  readonly id: string;
  readonly contype: string | null;
  readonly keys: number;
}

/** Every index of the user's tables, also those on partitioned tables (which have no pages). */
export async function readIndexes(sql: Sql, blockBytes: number): Promise<readonly SnapshotIndex[]> {
  const { rows } = await sql.query<IndexRow>(
    own(`SELECT ci.oid::text AS id, n.nspname AS schema, ci.relname AS name, c.relname AS "table", pg_get_indexdef(ci.oid) AS definition,
           k.contype, i.indisunique AS "unique", i.indisvalid AND i.indisready AS valid, i.indisreplident AS "replicaIdentity",
           ci.relpages::float8 AS pages, ci.reltuples::text::float8 AS rows,
           CASE WHEN ci.relkind = 'i' THEN pg_relation_size(ci.oid) / $1 ELSE 0 END::float8 AS "filePages",
           i.indnatts::int AS keys, coalesce(pg_stat_get_numscans(ci.oid), 0)::float8 AS scans
      FROM pg_index i
      JOIN pg_class ci ON ci.oid = i.indexrelid
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_constraint k ON k.conindid = ci.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ${madeByUsers}
     ORDER BY ci.oid`),
    [blockBytes],
  );
  const expressions = await readExpressionStatistics(sql);
  return rows.map(({ id, contype, keys, ...index }) => ({
    ...index,
    constraint: constraints[contype ?? ''] ?? null,
    expressionStatistics: Array.from({ length: keys }, (_, at) => expressions.get(`${id}/${at + 1}`) ?? null),
  }));
}

/** The attributes of an index have statistics only where they are expressions. */
async function readExpressionStatistics(sql: Sql): Promise<ReadonlyMap<string, ReturnType<typeof statisticsOf>>> {
  const { rows } = await sql.query<StatisticsRow & { readonly key: string }>(
    own(`SELECT i.indexrelid::text || '/' || a.attnum AS key, ${statisticsColumns(await statisticsVersion(sql))}
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class ci ON ci.oid = i.indexrelid
      JOIN pg_attribute a ON a.attrelid = ci.oid
      JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = ci.relname AND s.attname = a.attname
     WHERE i.indexprs IS NOT NULL AND ${madeByUsers}`),
  );
  return new Map(rows.map((row) => [row.key, statisticsOf(row)]));
}
