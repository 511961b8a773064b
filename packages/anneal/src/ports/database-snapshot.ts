/**
 * All that a planner needs to know of a database, and none of its rows: schema, statistics, settings and
 * workload, as JSON. Read once, read-only; afterwards no connection is needed.
 */
export interface DatabaseSnapshot {
  readonly formatVersion: 1;
  /** ISO 8601. */
  readonly takenAt: string;
  /** As `SHOW server_version` and `SHOW server_version_num` say it. */
  readonly server: { readonly version: string; readonly versionNumber: number };
  /**
   * `datcollate` (or `datlocale`) of the database: where it is not `C` or `POSIX` a plain index on text does not
   * serve `LIKE 'abc%'`, and histograms are in the order of a language.
   */
  readonly collation: string;
  /** What became of the column values in statistics: as they are, hashed in an order-preserving way, or left out. */
  readonly values: 'kept' | 'hashed' | 'left-out';
  /**
   * Settings that steer the planner, in their `pg_settings` spelling (name to value with unit), and `search_path` as
   * `current_schemas(false)` resolved it.
   */
  readonly settings: Readonly<Record<string, string>>;
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  /** `CREATE` statements that tables and expressions need (schemas, enums, domains, composite types, collations, functions), in order. */
  readonly prerequisites: readonly string[];
  readonly tables: readonly SnapshotTable[];
  readonly indexes: readonly SnapshotIndex[];
  readonly foreignKeys: readonly SnapshotForeignKey[];
  /** `CREATE VIEW`, in an order in which each finds what it reads. */
  readonly views: readonly string[];
  readonly extendedStatistics: readonly SnapshotExtendedStatistics[];
  readonly statements: readonly SnapshotStatement[];
  /** ISO 8601: since when the database's counters (scans, written rows) count at least; absent when nobody looked. */
  readonly countedSince?: string;
  /** What could not be read or carried over, and why; sentences for the reader. */
  readonly gaps: readonly string[];
}

export interface SnapshotTable {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'partition' | 'materialized-view' | 'foreign';
  /** `bound` is the `FOR VALUES` clause of a partition, empty for plain inheritance. */
  readonly parent: { readonly schema: string; readonly name: string; readonly bound: string } | null;
  /** `PARTITION BY` clause of a partitioned table, as pg_get_partkeydef says it. */
  readonly partitionKey: string | null;
  readonly columns: readonly SnapshotColumn[];
  /** pg_class, as of the last VACUUM or ANALYZE; `rows` is -1 where neither ever ran. */
  readonly pages: number;
  readonly rows: number;
  readonly allVisiblePages: number;
  /** The file's length when the snapshot was taken: the planner scales `rows` by `filePages / pages`. */
  readonly filePages: number;
  /** `reloptions`, e.g. `fillfactor=90`. */
  readonly options: readonly string[];
  readonly inserts: number;
  readonly updates: number;
  readonly hotUpdates: number;
  readonly deletes: number;
}

export interface SnapshotColumn {
  readonly name: string;
  /** As format_type says it, e.g. `character varying(25)`. */
  readonly type: string;
  readonly notNull: boolean;
  readonly collation: string | null;
  /** Generation expression; null when there is none. Defaults are not carried: they steer no plan and may hold values. */
  readonly expression: string | null;
  readonly generated: 'stored' | 'virtual' | null;
  /** attlen: bytes of a fixed-length type, -1 for a varlena. */
  readonly fixedLengthBytes: number;
  readonly alignment: 'c' | 's' | 'i' | 'd';
  /** Null when the column was never analysed. */
  readonly statistics: ColumnStatistics | null;
}

/** One row of pg_stats, arrays in PostgreSQL's text form because they hold values of any type. */
export interface ColumnStatistics {
  readonly inherited: boolean;
  readonly nullShare: number;
  readonly averageWidthBytes: number;
  /** PostgreSQL's n_distinct: positive a count, negative minus the share of rows. */
  readonly distinct: number;
  readonly correlation: number | null;
  readonly mostCommonValues: string | null;
  readonly mostCommonFrequencies: readonly number[] | null;
  readonly histogramBounds: string | null;
  readonly mostCommonElements: string | null;
  readonly mostCommonElementFrequencies: readonly number[] | null;
  readonly elementCountHistogram: readonly number[] | null;
  /** Range types, from version 17 on. */
  readonly rangeLengthHistogram?: string | null;
  readonly rangeEmptyShare?: number | null;
  readonly rangeBoundsHistogram?: string | null;
}

export interface SnapshotIndex {
  readonly schema: string;
  readonly name: string;
  readonly table: string;
  /** pg_get_indexdef. */
  readonly definition: string;
  readonly constraint: 'primary' | 'unique' | 'exclusion' | null;
  readonly unique: boolean;
  readonly valid: boolean;
  readonly replicaIdentity: boolean;
  /** pg_class, as of the last VACUUM or ANALYZE. */
  readonly pages: number;
  readonly rows: number;
  /** The file's length when the snapshot was taken, which is what the planner counts with. */
  readonly filePages: number;
  /** Statistics of its expressions, by position of the key; null for a plain column. */
  readonly expressionStatistics: readonly (ColumnStatistics | null)[];
  /** Since the statistics were last reset. */
  readonly scans: number;
}

export interface SnapshotForeignKey {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** pg_get_constraintdef. */
  readonly definition: string;
}

export interface SnapshotExtendedStatistics {
  readonly schema: string;
  readonly name: string;
  /** The table's schema and name; they may differ from the statistics object's schema. */
  readonly table: { readonly schema: string; readonly name: string };
  /** pg_get_statisticsobjdef. */
  readonly definition: string;
  /**
   * pg_stats_ext text forms, with a column's number being its position in the table's `columns`, from 1; null where
   * that kind was not built.
   */
  readonly distinct: string | null;
  readonly dependencies: string | null;
}

export interface SnapshotStatement {
  readonly id: string;
  /** With `$n`, never with a literal of the application's data. */
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
  /** Parameter sets seen with it, as text or null; empty when none was captured. Left out when values are. */
  readonly samples: readonly (readonly unknown[])[];
}
