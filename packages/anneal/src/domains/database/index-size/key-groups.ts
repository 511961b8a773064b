import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import type { IndexAttribute } from './index-attributes.ts';
import { type PartialRows, presentStatistics } from './partial-rows.ts';
import type { TableStatistics } from './table-statistics.ts';
import { columnClasses, combineClasses, thinClasses, type ValueClass, valuesOf } from './value-classes.ts';

/** The rows that an index holds. */
export interface IndexedRows {
  readonly table: TableStatistics;
  readonly part: PartialRows;
  readonly rows: number;
}

/** Rows whose keys are NULL in the same places. */
export interface Stratum {
  readonly groups: readonly ValueClass[];
  /** For each key: 1 where it is NULL, 0 where it is not. */
  readonly nulls: readonly number[];
}

/** Each nullable key doubles the strata; from the fifth on a NULL is a value like any other. */
const mostNullable = 4;

/**
 * Groups of equal keys among the rows of an index, apart by which keys are NULL: a NULL is a value that very many rows may share
 * and that takes no room, so its groups are neither as large nor as wide as the others.
 */
export function keyGroups(indexed: IndexedRows, keys: readonly IndexAttribute[]): readonly Stratum[] {
  const nullable = new Set(keys.filter((key) => (amongRows(key, indexed.part)?.nullShare ?? 0) > 0).slice(0, mostNullable));
  return keys
    .reduce<readonly Stratum['nulls'][]>(
      (patterns, key) =>
        patterns.flatMap((nulls) =>
          nullable.has(key)
            ? [
                [...nulls, 0],
                [...nulls, 1],
              ]
            : [[...nulls, 0]],
        ),
      [[]],
    )
    .map((nulls) => ({ nulls, groups: stratumGroups(indexed, keys, nulls) }))
    .filter(({ groups }) => groups.length > 0);
}

/** A hash index holds no NULL. */
export function presentGroups(indexed: IndexedRows, key: IndexAttribute | undefined): readonly ValueClass[] {
  return key === undefined ? [] : stratumGroups(indexed, [key], [0]);
}

/** What the statistics of a key are among the rows of the index, as far as the predicate says something of it. */
export function amongRows({ column, name }: IndexAttribute, part: PartialRows): ColumnStatistics | null {
  return (name === null ? undefined : part.columns.get(name)) ?? column.statistics;
}

function stratumGroups(
  { table, part, rows: indexed }: IndexedRows,
  keys: readonly IndexAttribute[],
  nulls: Stratum['nulls'],
): readonly ValueClass[] {
  const shareOf = (key: IndexAttribute, isNull: number) => {
    const nullShare = amongRows(key, part)?.nullShare ?? 0;
    return isNull === 1 ? nullShare : 1 - nullShare;
  };
  const rows = keys.reduce((product, key, at) => product * shareOf(key, nulls[at]!), indexed);
  if (rows < 0.5) return [];
  const present = keys.filter((_, at) => nulls[at] === 0);
  if (present.length === 0) return [{ values: 1, rowsEach: rows }];
  const names = present.map(({ name }) => name);
  const isUnique = table.uniqueKeys.some((unique) => unique.every((column) => names.includes(column)));
  if (isUnique) return [{ values: rows, rowsEach: 1 }];
  return present
    .map((key) => presentClasses(key, { table, part, rows }))
    .reduce((first, second, at) =>
      combineClasses(first, second, rows, {
        distinct: rows < table.rows ? null : knownCombinations(names.slice(0, at + 1), table, [valuesOf(first), valuesOf(second)]),
        correlation: Math.max(...present.slice(0, at).map((earlier) => jointCorrelation(earlier, present[at]))),
      }),
    );
}

/** Groups of one key among `rows` rows in which it is not NULL. */
function presentClasses(key: IndexAttribute, { table, part, rows }: IndexedRows): readonly ValueClass[] {
  const statistics = amongRows(key, part);
  if (statistics === null) return [{ values: rows, rowsEach: 1 }];
  const withValue = presentStatistics(statistics, table);
  if (key.name !== null && part.columns.has(key.name)) return columnClasses(withValue, rows);
  const all = table.rows * (1 - statistics.nullShare);
  return thinClasses(columnClasses(withValue, all), rows / all);
}

/** Products of two columns' values this near to the number of rows are no coincidence. */
const gridTolerance = 0.03;

/**
 * How many combinations there are, where that is known: from extended statistics on exactly these columns, or because the first columns' values
 * times the last one's are as many as the rows, which is what one row for each combination makes (a reading per sensor and minute).
 */
function knownCombinations(
  names: readonly (string | null)[],
  { combinations, rows }: TableStatistics,
  [first, second]: readonly [number, number],
): number | null {
  const found = combinations.find(
    ({ columns }) => columns.length === names.length && names.every((name) => name !== null && columns.includes(name)),
  );
  if (found !== undefined) return found.distinct;
  const isGrid = Math.min(first, second) > 1 && Math.abs((first * second) / rows - 1) < gridTolerance;
  return isGrid ? rows : null;
}

/** ANALYZE measures how far each column follows the order of the rows; two that both follow it follow each other, as the product. */
function jointCorrelation(first: IndexAttribute, second: IndexAttribute | undefined): number {
  return Math.abs((first.column.statistics?.correlation ?? 0) * (second?.column.statistics?.correlation ?? 0));
}
