import type { ColumnStatistics, DatabaseSnapshot } from '../ports/database-snapshot.ts';
import { qualifiedName, quoteLiteral } from '../ports/index-sql.ts';
import type { ShadowEngine } from './shadow-engine.ts';
import { restoreExtendedStatistics } from './shadow-extended-statistics.ts';
import type { ShadowSchema } from './shadow-schema.ts';

/**
 * Gives every table, index and column of the shadow the statistics of the original (manual, 9.28.11, "Database Object
 * Statistics Manipulation Functions"). Returns a sentence for each that was refused.
 */
export async function restoreStatistics(
  engine: ShadowEngine,
  snapshot: DatabaseSnapshot,
  schema: ShadowSchema,
): Promise<readonly string[]> {
  await restoreRelations(engine, [...snapshot.tables, ...snapshot.indexes.map((index) => ({ ...index, allVisiblePages: 0 }))]);
  const gaps: string[] = [];
  const restore = async (what: string, calls: readonly string[]) => {
    if (calls.length > 0) gaps.push(...(await restoreColumns(engine, what, calls)));
  };
  for (const table of snapshot.tables) {
    await restore(
      `${table.schema}.${table.name}`,
      table.columns.flatMap(({ name, statistics }) => {
        if (statistics === null) return [];
        const carried = schema.isStandIn(table, name) ? withoutValues(statistics) : statistics;
        return [restoreCall(table, { attname: quoteLiteral(name) }, carried)];
      }),
    );
  }
  for (const index of snapshot.indexes) {
    await restore(
      `${index.schema}.${index.name}`,
      index.expressionStatistics.flatMap((statistics, at) =>
        statistics === null ? [] : [restoreCall(index, { attnum: `${at + 1}::smallint` }, statistics)],
      ),
    );
  }
  await restoreExtendedStatistics(engine, snapshot);
  return gaps;
}

interface RelationStatistics {
  readonly schema: string;
  readonly name: string;
  readonly pages: number;
  readonly rows: number;
  readonly allVisiblePages: number;
}

/** Set in the catalogue itself and not by pg_restore_relation_stats, which is for one relation at a time. */
export async function restoreRelations(engine: ShadowEngine, relations: readonly RelationStatistics[]): Promise<void> {
  await engine.query(
    `UPDATE pg_class c SET relpages = s.pages, reltuples = s.rows, relallvisible = s.visible
       FROM unnest($1::text[], $2::int[], $3::real[], $4::int[]) AS s (name, pages, rows, visible)
      WHERE c.oid = to_regclass(s.name)`,
    [
      relations.map(({ schema, name }) => qualifiedName(schema, name)),
      relations.map(({ pages }) => Math.round(pages)),
      relations.map(({ rows }) => rows),
      relations.map(({ allVisiblePages }) => allVisiblePages),
    ],
  );
}

function withoutValues(statistics: ColumnStatistics): ColumnStatistics {
  return {
    ...statistics,
    correlation: null,
    mostCommonValues: null,
    mostCommonFrequencies: null,
    histogramBounds: null,
    mostCommonElements: null,
    mostCommonElementFrequencies: null,
    elementCountHistogram: null,
    rangeLengthHistogram: null,
    rangeEmptyShare: null,
    rangeBoundsHistogram: null,
  };
}

function restoreCall(
  relation: { readonly schema: string; readonly name: string },
  column: Readonly<Record<string, string>>,
  statistics: ColumnStatistics,
): string {
  const text = (value: string | null | undefined) => (value === null || value === undefined ? null : quoteLiteral(value));
  const real = (value: number | null | undefined) => (value === null || value === undefined ? null : `${value}::real`);
  const reals = (values: readonly number[] | null) => (values === null ? null : `'{${values.join(',')}}'::real[]`);
  const values: Readonly<Record<string, string | null>> = {
    schemaname: quoteLiteral(relation.schema),
    relname: quoteLiteral(relation.name),
    ...column,
    inherited: String(statistics.inherited),
    null_frac: real(statistics.nullShare),
    avg_width: `${Math.round(statistics.averageWidthBytes)}::int`,
    n_distinct: real(statistics.distinct),
    correlation: real(statistics.correlation),
    most_common_vals: text(statistics.mostCommonValues),
    // Frequencies without their values, as of a snapshot that leaves values out, say nothing to the planner.
    most_common_freqs: statistics.mostCommonValues === null ? null : reals(statistics.mostCommonFrequencies),
    histogram_bounds: text(statistics.histogramBounds),
    most_common_elems: text(statistics.mostCommonElements),
    most_common_elem_freqs: statistics.mostCommonElements === null ? null : reals(statistics.mostCommonElementFrequencies),
    elem_count_histogram: reals(statistics.elementCountHistogram),
    range_length_histogram: text(statistics.rangeLengthHistogram),
    range_empty_frac: statistics.rangeLengthHistogram === null ? null : real(statistics.rangeEmptyShare),
    range_bounds_histogram: text(statistics.rangeBoundsHistogram),
  };
  const given = Object.entries(values).filter(([, value]) => value !== null);
  return `pg_restore_attribute_stats(${given.map(([name, value]) => `'${name}', ${value}`).join(', ')})`;
}

/** All columns of a relation in one statement; where it fails, one by one. */
async function restoreColumns(engine: ShadowEngine, relation: string, calls: readonly string[]): Promise<readonly string[]> {
  try {
    const [row] = await engine.query<{ restored: readonly boolean[] }>(`SELECT ARRAY[${calls.join(', ')}] AS restored`);
    const refused = row!.restored.filter((restored) => !restored).length;
    return refused === 0
      ? []
      : [`statistics of ${relation} were taken over in part: ${refused} of ${calls.length} columns had values its types refuse`];
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (calls.length === 1) return [`statistics of a column of ${relation} are missing: ${error.message}`];
    const gaps = [];
    for (const call of calls) gaps.push(...(await restoreColumns(engine, relation, [call])));
    return gaps;
  }
}
