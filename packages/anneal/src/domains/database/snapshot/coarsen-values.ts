import type { ColumnStatistics, DatabaseSnapshot, SnapshotColumn, SnapshotTable } from '../../../ports/database-snapshot.ts';
import type { Sql } from '../../../ports/sql.ts';
import { arrayElements } from '../index-size/sql-lists.ts';
import { own } from '../probes/database-probe.ts';
import { valueClassOf, type ValueClass } from './value-tokens.ts';

/**
 * Takes the column values out of a snapshot: `left-out` drops them, `hashed` puts tokens in their place, of which only the
 * order and which of them are equal can be told. Frequencies stay, because they are no values.
 */
export async function coarsenValues(sql: Sql, snapshot: DatabaseSnapshot, values: DatabaseSnapshot['values']): Promise<DatabaseSnapshot> {
  if (values === 'kept') return { ...snapshot, values };
  const enums = new Set(snapshot.prerequisites.flatMap((sqlText) => /^CREATE TYPE (.*) AS ENUM /u.exec(sqlText)?.[1] ?? []));
  const classOf = (column: SnapshotColumn) => valueClassOf(column, enums);
  const tokens = values === 'hashed' ? await chooseTokens(sql, snapshot, classOf) : null;
  const coarsen = (column: SnapshotColumn): SnapshotColumn => {
    const { statistics } = column;
    if (statistics === null) return column;
    const valueClass = classOf(column);
    // Two labels, or labels that the schema shows anyway.
    if (values === 'hashed' && valueClass === 'known from the schema') return column;
    const known = tokens === null || valueClass === null || valueClass === 'known from the schema' ? undefined : tokens.get(valueClass.key);
    return { ...column, statistics: known === undefined ? withoutValues(statistics) : withTokens(statistics, known) };
  };
  return {
    ...snapshot,
    values,
    tables: snapshot.tables.map((table): SnapshotTable => ({ ...table, columns: table.columns.map(coarsen) })),
    // The type of an index expression is not in the snapshot, so there is nothing to make a token of.
    indexes: snapshot.indexes.map((index) => ({
      ...index,
      expressionStatistics: index.expressionStatistics.map((statistics) => (statistics === null ? null : withoutValues(statistics))),
    })),
    statements: snapshot.statements.map((statement) => ({ ...statement, samples: [] })),
  };
}

function withoutValues(statistics: ColumnStatistics): ColumnStatistics {
  return {
    ...statistics,
    mostCommonValues: null,
    histogramBounds: null,
    mostCommonElements: null,
    ...('rangeLengthHistogram' in statistics ? { rangeLengthHistogram: null, rangeBoundsHistogram: null } : {}),
  };
}

function withTokens(statistics: ColumnStatistics, tokens: ReadonlyMap<string, string>): ColumnStatistics {
  const replaced = (values: string | null) =>
    values === null
      ? null
      : `{${arrayElements(values)
          .map((value) => tokens.get(value) ?? 'NULL')
          .join(',')}}`;
  return {
    ...withoutValues(statistics),
    mostCommonValues: replaced(statistics.mostCommonValues),
    histogramBounds: replaced(statistics.histogramBounds),
  };
}

/** For every class a token for every value. Shared by all columns of a class, so that values which join stay equal. */
async function chooseTokens(
  sql: Sql,
  snapshot: DatabaseSnapshot,
  classOf: (column: SnapshotColumn) => ReturnType<typeof valueClassOf>,
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const values = new Map<string, { readonly valueClass: ValueClass; readonly distinct: Set<string> }>();
  for (const column of snapshot.tables.flatMap((table) => table.columns)) {
    const valueClass = classOf(column);
    if (valueClass === null || valueClass === 'known from the schema' || column.statistics === null) continue;
    const entry = values.get(valueClass.key) ?? { valueClass, distinct: new Set() };
    values.set(valueClass.key, entry);
    for (const text of [column.statistics.mostCommonValues, column.statistics.histogramBounds]) {
      for (const value of arrayElements(text)) entry.distinct.add(value);
    }
  }
  const tokens = new Map<string, ReadonlyMap<string, string>>();
  for (const [key, { valueClass, distinct }] of values) {
    const ranks = await rank(sql, valueClass, [...distinct]);
    const count = Math.max(0, ...ranks.values()) + 1;
    if (count > valueClass.capacity) continue;
    tokens.set(key, new Map([...ranks].map(([value, at]) => [value, valueClass.token(at, count)])));
  }
  return tokens;
}

/** In the server's own order, which no other program reproduces: collations differ between machines. */
async function rank(sql: Sql, { sortAs }: ValueClass, values: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql.query<{ value: string; rank: number }>(
    own(`SELECT value, (dense_rank() OVER (ORDER BY ${sortAs}) - 1)::int AS rank FROM unnest($1::text[]) AS value`),
    [values],
  );
  return new Map(rows.map((row) => [row.value, row.rank]));
}
