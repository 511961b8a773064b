import type { ColumnObservation, IndexObservation, TableObservation } from '../../../measurement/observations.ts';
import type { ColumnStatistics, DatabaseSnapshot, SnapshotColumn, SnapshotExtendedStatistics } from '../../../ports/database-snapshot.ts';
import { isColumn, parseIndexKey, roughSpelling } from '../index-ddl.ts';
import { arrayElements, keysOf, lastName, unquoted } from './sql-lists.ts';
import { unbiasedStatistics } from './value-classes.ts';

/** What the size of an index is reckoned from: one table's statistics, as plain data. */
export interface TableStatistics {
  readonly rows: number;
  /** Of the heap, 8 kB each. */
  readonly pages: number;
  readonly columns: readonly SizedColumn[];
  /** Column sets of which no two rows are equal. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** From extended statistics (`ndistinct`): how many combinations a set of columns has. */
  readonly combinations: readonly Combination[];
  /** Statistics that existing indexes hold of their expressions, by the expression's rough spelling. */
  readonly expressions: ReadonlyMap<string, ColumnStatistics>;
  /** As `SHOW server_version_num`: what its access methods can do. */
  readonly versionNumber: number;
  /** Whether the values in the statistics are the column's own, so that their lengths tell something. */
  readonly hasValues: boolean;
}

export type SizedColumn = Pick<SnapshotColumn, 'name' | 'type' | 'fixedLengthBytes' | 'alignment' | 'statistics'> & {
  /** Equal values may differ in their bytes: a collation with `deterministic = false`. */
  readonly isNondeterministic: boolean;
};

export interface Combination {
  readonly columns: readonly string[];
  readonly distinct: number;
}

/** The statistics of one table of a snapshot; null for a table it does not hold or that was never analysed. */
export function tableStatistics(snapshot: DatabaseSnapshot, schema: string, name: string): TableStatistics | null {
  const table = snapshot.tables.find((table) => table.schema === schema && table.name === name);
  if (table === undefined || table.rows < 0) return null;
  const indexes = snapshot.indexes.filter((index) => index.schema === schema && index.table === name);
  const looseCollations = nondeterministicCollations(snapshot.prerequisites);
  const sampledRows = sampledRowsOf(table.columns);
  const { rows, pages } = table;
  const unbiased = (statistics: ColumnStatistics | null) =>
    statistics === null ? null : unbiasedStatistics(statistics, { rows, pages, sampledRows });
  return {
    // The planner counts so too (estimate_rel_size): rows as dense as at the last ANALYZE, in the file as it is now.
    rows: table.pages > 0 ? (table.rows * table.filePages) / table.pages : table.rows,
    pages: table.filePages,
    columns: table.columns.map(({ collation, ...column }) => ({
      ...column,
      statistics: unbiased(column.statistics),
      isNondeterministic: collation !== null && looseCollations.has(lastName(collation)),
    })),
    uniqueKeys: indexes.flatMap(({ unique, valid, definition }) => (unique && valid ? uniqueColumns(definition) : [])),
    combinations: snapshot.extendedStatistics
      .filter((extended) => extended.table.schema === schema && extended.table.name === name)
      .flatMap((extended) => combinationsOf(extended, table.columns)),
    expressions: new Map(
      indexes.flatMap(({ definition, expressionStatistics }) =>
        keysOf(definition).flatMap((key, at): readonly (readonly [string, ColumnStatistics])[] => {
          const statistics = unbiased(expressionStatistics[at] ?? null);
          return statistics === null ? [] : [[roughSpelling(parseIndexKey(key).expression), statistics]];
        }),
      ),
    ),
    versionNumber: snapshot.server.versionNumber,
    hasValues: snapshot.values === 'kept',
  };
}

const defaultSampledRows = 30_000;

/**
 * ANALYZE reads 300 rows for each entry that a list of common values or a histogram may have (manual, 14.2.2; std_typanalyze),
 * so the longest list tells how many it read. A table without a list of length says nothing; then it is the default, 100.
 */
function sampledRowsOf(columns: readonly SnapshotColumn[]): number {
  const entries = columns.flatMap(({ statistics }) => [
    statistics?.mostCommonFrequencies?.length ?? 0,
    arrayElements(statistics?.histogramBounds ?? null).length - 1,
  ]);
  const longest = Math.max(0, ...entries);
  return longest < 10 ? defaultSampledRows : 300 * longest;
}

/** The same from what the probes of a measurement saw: no values and no extended statistics, so the prediction is a little coarser. */
export function observedTableStatistics(
  table: TableObservation,
  columns: readonly ColumnObservation[],
  indexes: readonly IndexObservation[],
  versionNumber: number,
): TableStatistics {
  const belongs = (other: { readonly schema: string; readonly table: string }) =>
    other.schema === table.schema && other.table === table.name;
  return {
    rows: table.liveRows,
    pages: Math.ceil(table.sizeBytes / 8192),
    columns: columns.filter(belongs).map((column) => ({
      name: column.name,
      type: column.type,
      ...layoutOf(column.type),
      statistics: observedColumn(column, table),
      isNondeterministic: false,
    })),
    uniqueKeys: indexes
      .filter(({ definition, unique, valid }) => unique && valid && belongs(definition) && definition.predicate === null)
      .flatMap(({ definition }) => completeSet(definition.keys)),
    combinations: [],
    expressions: new Map(),
    versionNumber,
    hasValues: false,
  };
}

/** The probe writes `distinct` 0 for a column that was never analysed. */
function observedColumn({ nullShare, averageWidthBytes, distinct }: ColumnObservation, table: TableObservation): ColumnStatistics | null {
  if (distinct === 0 && nullShare === 0) return null;
  const statistics = {
    inherited: false,
    nullShare,
    averageWidthBytes,
    distinct,
    correlation: null,
    mostCommonValues: null,
    mostCommonFrequencies: null,
    histogramBounds: null,
    mostCommonElements: null,
    mostCommonElementFrequencies: null,
    elementCountHistogram: null,
  };
  return unbiasedStatistics(statistics, {
    rows: table.liveRows,
    pages: table.sizeBytes / 8192,
    sampledRows: defaultSampledRows,
  });
}

/** Length and alignment of PostgreSQL's own fixed-length types (`pg_type`); everything else is a varlena. */
const fixedLengths: readonly (readonly [RegExp, number, SizedColumn['alignment']])[] = [
  [/^(?:boolean|"char")$/u, 1, 'c'],
  [/^smallint$/u, 2, 's'],
  [/^(?:integer|real|date|oid)$/u, 4, 'i'],
  [/^(?:bigint|double precision|money|pg_lsn|xid8|timestamp.*|time(?:\(\d\))?(?: without time zone)?)$/u, 8, 'd'],
  [/^time.* with time zone$/u, 12, 'd'],
  [/^macaddr$/u, 6, 'i'],
  [/^uuid$/u, 16, 'c'],
  [/^(?:interval.*|point)$/u, 16, 'd'],
  [/^(?:box|lseg)$/u, 32, 'd'],
];

export function layoutOf(type: string): Pick<SizedColumn, 'fixedLengthBytes' | 'alignment'> {
  const [, fixedLengthBytes = -1, alignment = 'i'] = fixedLengths.find(([pattern]) => pattern.test(type)) ?? [];
  return { fixedLengthBytes, alignment };
}

/** Only plain columns of an index over all rows say that no two rows are equal. */
function uniqueColumns(definition: string): readonly (readonly string[])[] {
  return /\)\s+WHERE\s/u.test(definition) ? [] : completeSet(keysOf(definition));
}

function completeSet(keys: readonly string[]): readonly (readonly string[])[] {
  const columns = keys.map(bareColumn).filter((column) => column !== null);
  return columns.length > 0 && columns.length === keys.length ? [columns] : [];
}

/** The column's name where the key is nothing but a column. */
export function bareColumn(key: string): string | null {
  const { expression } = parseIndexKey(key);
  return isColumn(expression) ? unquoted(expression) : null;
}

function nondeterministicCollations(prerequisites: readonly string[]): ReadonlySet<string> {
  return new Set(
    prerequisites
      .filter((sql) => /deterministic\s*=\s*'?(?:false|off)/iu.test(sql))
      .flatMap((sql) => /create collation\s+(?:if not exists\s+)?([^\s(]+)/iu.exec(sql)?.[1] ?? [])
      .map(lastName),
  );
}

/** `{"1, 2": 300, "1, 2, 4": 900}`, columns by their position in the table; expressions have negative numbers and are left out. */
function combinationsOf({ distinct }: SnapshotExtendedStatistics, columns: readonly SnapshotColumn[]): readonly Combination[] {
  return [...(distinct ?? '').matchAll(/"([-\d, ]+)":\s*(\d+)/gu)].flatMap(([, numbers, count]) => {
    const numbered = numbers!.split(',').map((number) => columns[Number(number) - 1]?.name);
    const names = numbered.filter((name) => name !== undefined);
    return names.length === numbered.length ? [{ columns: names, distinct: Number(count) }] : [];
  });
}
