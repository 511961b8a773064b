import type {
  ColumnStatistics,
  SnapshotColumn,
  SnapshotExtendedStatistics,
  SnapshotForeignKey,
  SnapshotTable,
} from '../../../ports/database-snapshot.ts';
import type { Sql } from '../../../ports/sql.ts';
import { counted } from '../checks/check.ts';
import { own } from '../probes/database-probe.ts';
import { madeByUsers, notLocked } from '../probes/user-relations.ts';

const kinds = { r: 'table', p: 'partitioned', m: 'materialized-view', f: 'foreign' } as const;

interface TableRow extends Omit<SnapshotTable, 'kind' | 'columns' | 'parent'> {
  readonly id: string;
  readonly relkind: keyof typeof kinds;
  readonly isPartition: boolean;
  readonly parentSchema: string | null;
  readonly parentName: string | null;
  readonly bound: string | null;
}

/** Tables with columns and statistics, parents before children. */
export async function readTables(sql: Sql, blockBytes: number): Promise<readonly SnapshotTable[]> {
  const { rows } = await sql.query<TableRow>(
    own(`SELECT c.oid::text AS id, n.nspname AS schema, c.relname AS name, c.relkind, c.relispartition AS "isPartition",
           pn.nspname AS "parentSchema", p.relname AS "parentName", pg_get_expr(c.relpartbound, c.oid) AS bound,
           CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partitionKey",
           c.relpages::float8 AS pages, c.reltuples::text::float8 AS rows, c.relallvisible::float8 AS "allVisiblePages",
           CASE WHEN ${notLocked} AND c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) / $1 ELSE c.relpages END::float8 AS "filePages",
           coalesce(c.reloptions, '{}') AS options,
           pg_stat_get_tuples_inserted(c.oid)::float8 AS inserts, pg_stat_get_tuples_updated(c.oid)::float8 AS updates,
           pg_stat_get_tuples_hot_updated(c.oid)::float8 AS "hotUpdates", pg_stat_get_tuples_deleted(c.oid)::float8 AS deletes
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND h.inhseqno = 1
      LEFT JOIN pg_class p ON p.oid = h.inhparent
      LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't' AND ${madeByUsers}
     ORDER BY c.oid`),
    [blockBytes],
  );
  const columns = await readColumns(sql);
  return rows.map(({ id, relkind, isPartition, parentSchema, parentName, bound, ...table }) => ({
    ...table,
    kind: isPartition && relkind === 'r' ? 'partition' : kinds[relkind],
    parent: parentSchema === null || parentName === null ? null : { schema: parentSchema, name: parentName, bound: bound ?? '' },
    columns: columns.get(id) ?? [],
  }));
}

type ColumnRow = Omit<SnapshotColumn, 'generated' | 'statistics'> & StatisticsRow & { readonly table: string; readonly generated: string };

/** As `regcollation` writes it, which came with PostgreSQL 13; qualified but for those of the server itself. Null for the type's own. */
const collationName = `(SELECT CASE WHEN l.collnamespace = 'pg_catalog'::regnamespace THEN '' ELSE quote_ident(ln.nspname) || '.' END || quote_ident(l.collname)
                             FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
                            WHERE l.oid = a.attcollation AND a.attcollation <> t.typcollation)`;

async function readColumns(sql: Sql): Promise<ReadonlyMap<string, readonly SnapshotColumn[]>> {
  const { rows } = await sql.query<ColumnRow>(
    own(`SELECT c.oid::text AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull",
           ${collationName} AS collation,
           CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS expression, a.attgenerated AS generated,
           a.attlen::int AS "fixedLengthBytes", a.attalign AS alignment, ${statisticsColumns(await statisticsVersion(sql))}
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN LATERAL (SELECT * FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
                          ORDER BY s.inherited DESC LIMIT 1) s ON true
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND ${madeByUsers}
     ORDER BY c.oid, a.attnum`),
  );
  const columns = new Map<string, SnapshotColumn[]>();
  for (const row of rows) {
    const { table, name, type, notNull, collation, expression, generated, fixedLengthBytes, alignment } = row;
    const list = columns.get(table) ?? [];
    columns.set(table, list);
    list.push({
      name,
      type,
      notNull,
      collation,
      expression,
      generated: generated === 's' ? 'stored' : generated === 'v' ? 'virtual' : null,
      fixedLengthBytes,
      alignment,
      statistics: statisticsOf(row),
    });
  }
  return columns;
}

/** What `statisticsColumns` selects of pg_stats. */
export type StatisticsRow = Omit<ColumnStatistics, 'inherited'> & {
  /** Null where the column was never analysed. */
  readonly inherited: boolean | null;
};

export async function statisticsVersion(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ version: number }>(own(`SELECT current_setting('server_version_num')::int AS version`));
  return rows[0]!.version;
}

/** Of pg_stats as `s`. By way of text a `real` keeps the digits it has, and does not gain those of a `double precision`. */
export function statisticsColumns(versionNumber: number): string {
  const ranges =
    versionNumber < 170_000
      ? ''
      : `, s.range_length_histogram::text AS "rangeLengthHistogram", s.range_empty_frac::text::float8 AS "rangeEmptyShare",
         s.range_bounds_histogram::text AS "rangeBoundsHistogram"`;
  return `s.inherited, s.null_frac::text::float8 AS "nullShare", s.avg_width::float8 AS "averageWidthBytes",
    s.n_distinct::text::float8 AS "distinct", s.correlation::text::float8 AS correlation,
    s.most_common_vals::text AS "mostCommonValues", s.most_common_freqs::text[]::float8[] AS "mostCommonFrequencies",
    s.histogram_bounds::text AS "histogramBounds", s.most_common_elems::text AS "mostCommonElements",
    s.most_common_elem_freqs::text[]::float8[] AS "mostCommonElementFrequencies",
    s.elem_count_histogram::text[]::float8[] AS "elementCountHistogram"${ranges}`;
}

export function statisticsOf(row: StatisticsRow): ColumnStatistics | null {
  if (row.inherited === null) return null;
  const ranges =
    row.rangeLengthHistogram === undefined || row.rangeLengthHistogram === null
      ? {}
      : {
          rangeLengthHistogram: row.rangeLengthHistogram,
          rangeEmptyShare: row.rangeEmptyShare ?? null,
          rangeBoundsHistogram: row.rangeBoundsHistogram ?? null,
        };
  return {
    inherited: row.inherited,
    nullShare: row.nullShare,
    averageWidthBytes: row.averageWidthBytes,
    distinct: row.distinct,
    correlation: row.correlation,
    mostCommonValues: row.mostCommonValues,
    mostCommonFrequencies: row.mostCommonFrequencies,
    histogramBounds: row.histogramBounds,
    mostCommonElements: row.mostCommonElements,
    mostCommonElementFrequencies: row.mostCommonElementFrequencies,
    elementCountHistogram: row.elementCountHistogram,
    ...ranges,
  };
}

/** Those of partitions follow from their parent's. */
export async function readForeignKeys(sql: Sql): Promise<readonly SnapshotForeignKey[]> {
  const { rows } = await sql.query<SnapshotForeignKey>(
    own(`SELECT k.conname AS name, n.nspname AS schema, c.relname AS "table", pg_get_constraintdef(k.oid) AS definition
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND ${madeByUsers} ORDER BY k.oid`),
  );
  return rows;
}

interface ExtendedRow extends Omit<SnapshotExtendedStatistics, 'table'> {
  readonly tableSchema: string;
  readonly tableName: string;
  /** Column numbers of the server, in the order of the snapshot's columns. */
  readonly numbers: readonly number[];
}

/** Kinds that have no form in which they could be carried: lists of common combinations, and statistics of expressions. */
export async function readUncarriedStatistics(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ name: string }>(
    own(`SELECT e.stxname AS name FROM pg_statistic_ext e WHERE e.stxkind::text[] && ARRAY['m', 'e'] ORDER BY e.oid`),
  );
  return rows.map(({ name }) => `of the extended statistics ${name} the common combinations and expressions are not carried`);
}

export async function readExtendedStatistics(sql: Sql, tables: readonly SnapshotTable[]): Promise<readonly SnapshotExtendedStatistics[]> {
  const { rows } = await sql.query<ExtendedRow>(
    own(`SELECT sn.nspname AS schema, e.stxname AS name, n.nspname AS "tableSchema", c.relname AS "tableName",
           pg_get_statisticsobjdef(e.oid) AS definition, s.n_distinct::text AS "distinct", s.dependencies::text AS dependencies,
           ARRAY(SELECT a.attnum::int FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS numbers
      FROM pg_statistic_ext e
      JOIN pg_namespace sn ON sn.oid = e.stxnamespace
      JOIN pg_class c ON c.oid = e.stxrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN LATERAL (SELECT * FROM pg_stats_ext s WHERE s.statistics_schemaname = sn.nspname AND s.statistics_name = e.stxname LIMIT 1) s ON true
     WHERE ${madeByUsers} ORDER BY e.oid`),
  );
  const known = new Set(tables.map(({ schema, name }) => `${schema}\0${name}`));
  return rows
    .filter(({ tableSchema, tableName }) => known.has(`${tableSchema}\0${tableName}`))
    .map(({ schema, name, tableSchema, tableName, definition, distinct, dependencies, numbers }) => ({
      schema,
      name,
      table: { schema: tableSchema, name: tableName },
      definition,
      distinct: distinct === null ? null : renumber(distinct, numbers),
      dependencies: dependencies === null ? null : renumber(dependencies, numbers),
    }));
}

/** `{"1, 3": 200}` and `{"1 => 3": 0.8}`: a dropped column leaves a hole in the numbers, which the copy will not have. */
function renumber(text: string, numbers: readonly number[]): string {
  return text.replaceAll(/"([^"]*)"/gu, (_, key: string) => {
    const renumbered = key.replaceAll(/-?\d+/gu, (number) => (Number(number) < 0 ? number : String(numbers.indexOf(Number(number)) + 1)));
    return `"${renumbered}"`;
  });
}

interface Hidden {
  readonly unreadable: number;
  readonly underPolicies: number;
  readonly neverAnalysed: number;
}

/** Why statistics are missing, as sentences. */
export async function readBlindSpots(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<Hidden>(
    own(`SELECT count(*) FILTER (WHERE NOT has_any_column_privilege(c.oid, 'SELECT'))::int AS unreadable,
           count(*) FILTER (WHERE c.relrowsecurity)::int AS "underPolicies",
           count(*) FILTER (WHERE c.relkind <> 'p' AND (c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = 0 AND pg_stat_get_tuples_inserted(c.oid) > 0)))::int
             AS "neverAnalysed"
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ${madeByUsers}`),
  );
  const { unreadable, underPolicies, neverAnalysed } = rows[0]!;
  return [
    unreadable > 0
      ? `the statistics of ${counted(unreadable, 'table')} are hidden from this role: GRANT pg_read_all_data, or SELECT on what is hidden`
      : null,
    underPolicies > 0
      ? `row-level security is on for ${counted(underPolicies, 'table')}: the conditions its policies add to statements are not planned`
      : null,
    neverAnalysed > 0
      ? `ANALYZE never ran on ${counted(neverAnalysed, 'table')}, about which the planner guesses here as it does there`
      : null,
  ].filter((gap) => gap !== null);
}
