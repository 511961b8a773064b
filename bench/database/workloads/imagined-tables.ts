import type {
  ColumnStatistics,
  DatabaseSnapshot,
  SnapshotColumn,
  SnapshotIndex,
  SnapshotStatement,
  SnapshotTable,
} from '../../../packages/anneal/src/ports/database-snapshot.ts';

/** A column as the planner would know it after ANALYZE, without a row of it being anywhere. */
export interface ImaginedColumn {
  readonly name: string;
  readonly type: 'integer' | 'bigint' | 'text' | 'timestamp with time zone' | 'numeric' | 'boolean';
  /** pg_stats.n_distinct. */
  readonly distinct: number;
  readonly widthBytes?: number;
  /** Numbers and times: the values run evenly from 0 to this many (seconds for a time). */
  readonly upTo?: number;
  readonly correlation?: number;
}

export interface ImaginedTable {
  readonly name: string;
  readonly rows: number;
  readonly columns: readonly ImaginedColumn[];
  /** Columns of the primary key. */
  readonly primaryKey: readonly string[];
  readonly updates?: number;
  readonly hotUpdates?: number;
}

const fixed: Readonly<Record<ImaginedColumn['type'], readonly [number, SnapshotColumn['alignment']]>> = {
  integer: [4, 'i'],
  bigint: [8, 'd'],
  text: [-1, 'i'],
  'timestamp with time zone': [8, 'd'],
  numeric: [-1, 'i'],
  boolean: [1, 'c'],
};

export function imaginedSnapshot(
  tables: readonly ImaginedTable[],
  statements: readonly Omit<SnapshotStatement, 'totalMs'>[],
): DatabaseSnapshot {
  return {
    formatVersion: 1,
    takenAt: '2026-01-01T00:00:00.000Z',
    server: { version: '18.0', versionNumber: 180_000 },
    collation: 'C',
    values: 'kept',
    settings: { random_page_cost: '1.1', effective_cache_size: '4GB', work_mem: '16MB', search_path: 'public' },
    extensions: [],
    prerequisites: [],
    tables: tables.map(tableOf),
    indexes: tables.map(primaryKeyOf),
    foreignKeys: [],
    views: [],
    extendedStatistics: [],
    statements: statements.map((statement) => ({ ...statement, totalMs: 0 })),
    gaps: [],
  };
}

function tableOf({ name, rows, columns, updates = 0, hotUpdates = 0 }: ImaginedTable): SnapshotTable {
  const pages = pagesOf(rows, columns);
  return {
    schema: 'public',
    name,
    kind: 'table',
    parent: null,
    partitionKey: null,
    columns: columns.map(columnOf),
    pages,
    rows,
    allVisiblePages: 0,
    filePages: pages,
    options: [],
    inserts: 0,
    updates,
    hotUpdates,
    deletes: 0,
  };
}

function widthOf({ type, widthBytes }: ImaginedColumn): number {
  return widthBytes ?? (fixed[type][0] > 0 ? fixed[type][0] : 16);
}

/** A row's header and item pointer (23, aligned, and 4 bytes), and its columns. */
function pagesOf(rows: number, columns: readonly ImaginedColumn[]): number {
  return Math.ceil(rows / Math.floor(8168 / (28 + columns.reduce((sum, column) => sum + widthOf(column), 0))));
}

function columnOf(column: ImaginedColumn): SnapshotColumn {
  const [fixedLengthBytes, alignment] = fixed[column.type];
  return {
    name: column.name,
    type: column.type,
    notNull: true,
    collation: null,
    expression: null,
    generated: null,
    fixedLengthBytes,
    alignment,
    statistics: statisticsOf(column),
  };
}

function statisticsOf(column: ImaginedColumn): ColumnStatistics {
  const { distinct, upTo, type, correlation = 0 } = column;
  const isCommon = distinct > 0 && distinct <= 100;
  const values = Array.from({ length: isCommon ? distinct : 101 }, (_, at) => {
    const value = Math.round(((upTo ?? Math.max(distinct, 100)) * at) / (isCommon ? Math.max(1, distinct) : 100));
    if (type === 'text') return `v${String(value).padStart(9, '0')}`;
    if (type === 'boolean') return at === 0 ? 'f' : 't';
    return type === 'timestamp with time zone' ? `"${new Date(value * 1000).toISOString()}"` : String(value);
  });
  const list = `{${values.join(',')}}`;
  return {
    inherited: false,
    nullShare: 0,
    averageWidthBytes: widthOf(column),
    distinct,
    correlation,
    mostCommonValues: isCommon ? list : null,
    mostCommonFrequencies: isCommon ? values.map(() => 1 / values.length) : null,
    histogramBounds: isCommon ? null : list,
    mostCommonElements: null,
    mostCommonElementFrequencies: null,
    elementCountHistogram: null,
  };
}

function primaryKeyOf({ name, rows, primaryKey }: ImaginedTable): SnapshotIndex {
  const pages = Math.max(2, Math.ceil(rows / 366));
  return {
    schema: 'public',
    name: `${name}_pkey`,
    table: name,
    definition: `CREATE UNIQUE INDEX ${name}_pkey ON public.${name} USING btree (${primaryKey.join(', ')})`,
    constraint: 'primary',
    unique: true,
    valid: true,
    replicaIdentity: false,
    pages,
    rows,
    filePages: pages,
    expressionStatistics: primaryKey.map(() => null),
    scans: 1,
  };
}
