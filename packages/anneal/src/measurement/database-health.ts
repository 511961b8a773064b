import type { StatementObservation } from './observations.ts';

/**
 * What a database says of itself at one moment, without a window of load: its state, and counters that run
 * since its statistics were last reset.
 */
export interface DatabaseHealth {
  readonly 'postgres.server': ServerObservation;
  /** By name. A chosen list: others hold paths, commands and connection strings with passwords. */
  readonly 'postgres.configuration': Readonly<Record<string, SettingObservation>>;
  readonly 'postgres.table-health': readonly TableHealthObservation[];
  readonly 'postgres.index-health': readonly IndexHealthObservation[];
  readonly 'postgres.sequences': readonly SequenceObservation[];
  readonly 'postgres.sessions': readonly SessionObservation[];
  readonly 'postgres.prepared-transactions': readonly PreparedTransactionObservation[];
  readonly 'postgres.replication-slots': readonly ReplicationSlotObservation[];
  readonly 'postgres.activity': ActivityObservation;
  readonly 'postgres.checkpoints': CheckpointObservation;
  readonly 'postgres.transaction-ages': readonly TransactionAgeObservation[];
  /** Those that took most time since pg_stat_statements was last reset, most first. */
  readonly 'postgres.statement-history': readonly StatementHistoryObservation[];
  readonly 'postgres.extended-statistics': readonly ExtendedStatisticsObservation[];
  /** Columns that statements of the history compare two or more of at once. */
  readonly 'postgres.filtered-columns': readonly FilteredColumnObservation[];
  readonly 'postgres.time-columns': readonly TimeColumnObservation[];
  readonly 'postgres.vector-columns': readonly VectorColumnObservation[];
}

export interface ServerObservation {
  /** As `server_version_num` has it: 180004. */
  readonly versionNumber: number;
  readonly database: string;
  readonly isReplica: boolean;
  readonly uptimeMs: number;
  /** Streaming replicas connected, and physical slots kept for ones that are not. */
  readonly replicas: number;
  /** Of the machine; null where the server runs elsewhere. */
  readonly memoryBytes: number | null;
  readonly databaseSizeBytes: number | null;
}

export interface SettingObservation {
  /** As `SHOW` prints it. */
  readonly shown: string;
  /** Bytes for memory, milliseconds for times, the bare number for numbers, null for words. */
  readonly value: number | null;
  /** `default` where nobody has set it; pg_settings.source. */
  readonly source: string;
}

export interface TableHealthObservation {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'materialized-view';
  readonly isPartition: boolean;
  readonly isUnlogged: boolean;
  readonly hasPrimaryKey: boolean;
  /** A unique index over NOT NULL columns, complete and valid: it identifies rows as a primary key does. */
  readonly hasUniqueKey: boolean;
  readonly pages: number;
  /** The planner's estimate. */
  readonly rows: number;
  readonly sizeBytes: number;
  readonly toastBytes: number;
  /** Null where the role may not see the columns' statistics. */
  readonly isAnalysed: boolean | null;
  /** Since the last ANALYZE. */
  readonly modifiedRows: number;
  readonly liveRows: number;
  readonly deadRows: number;
  /** Since the last VACUUM or autovacuum; null when none is known. */
  readonly vacuumedAgoMs: number | null;
  readonly analysedAgoMs: number | null;
  readonly inserts: number;
  readonly updates: number;
  readonly hotUpdates: number;
  readonly deletes: number;
  /** Storage parameters of the table itself, e.g. `autovacuum_vacuum_scale_factor`. */
  readonly options: Readonly<Record<string, string>>;
  /** Transactions since the oldest one it still names, its TOAST table included; 0 where it has no storage. */
  readonly transactionAge: number;
  readonly multixactAge: number;
  /** Pages the live rows need by their statistics; null where these are missing. */
  readonly neededPages: number | null;
  /** `measured` where pgstattuple could look cheaply. */
  readonly neededPagesSource: 'statistics' | 'pgstattuple';
}

export interface IndexHealthObservation {
  readonly schema: string;
  readonly name: string;
  readonly table: string;
  readonly method: string;
  /** Complete, as `CREATE INDEX` would write it. */
  readonly definition: string;
  readonly keys: readonly IndexKeyObservation[];
  readonly include: readonly string[];
  readonly predicate: string | null;
  readonly isUnique: boolean;
  readonly nullsNotDistinct: boolean;
  readonly isPrimary: boolean;
  readonly isReplicaIdentity: boolean;
  readonly isClustered: boolean;
  readonly isValid: boolean;
  /** `CREATE INDEX` or `REINDEX` is at work on it, or on something this role may not see. */
  readonly mayBeInBuild: boolean;
  readonly constraint: 'primary' | 'unique' | 'exclusion' | null;
  /** Of a partition, as part of the partitioned table's index: it cannot be dropped alone. */
  readonly isPart: boolean;
  readonly isPartitioned: boolean;
  readonly pages: number;
  readonly sizeBytes: number;
  /** Since the statistics were reset, on this server only. */
  readonly scans: number;
  /** Leaf pages its entries need by their statistics; only for a B-tree of analysed columns. */
  readonly neededPages: number | null;
}

export interface IndexKeyObservation {
  /** Null for an expression. */
  readonly column: string | null;
  /** As SQL, quoted where it must be. */
  readonly expression: string;
  /** Operator class, collation and direction: what must be equal for two keys to serve the same. */
  readonly behaviour: string;
}

export interface SequenceObservation {
  readonly schema: string;
  readonly name: string;
  /** Null when it was never used, or may not be read. */
  readonly lastValue: number | null;
  readonly isReadable: boolean;
  readonly start: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly increment: number;
  readonly cycles: boolean;
  readonly type: string;
  /** The column it feeds, by ownership or default. */
  readonly column: { readonly schema: string; readonly table: string; readonly name: string; readonly type: string } | null;
}

export interface SessionObservation {
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  readonly state: string;
  /** Without its constants; null when it runs none or may not be seen. */
  readonly statement: string | null;
  readonly transactionMs: number | null;
  readonly statementMs: number | null;
  readonly stateMs: number | null;
  /** Null where it waits for no lock. */
  readonly wait: {
    readonly blockedBy: readonly number[];
    readonly mode: string;
    readonly lockType: string;
    readonly relation: string | null;
    readonly waitedMs: number;
  } | null;
}

export interface PreparedTransactionObservation {
  readonly id: string;
  readonly owner: string;
  readonly ageMs: number;
}

export interface ReplicationSlotObservation {
  readonly name: string;
  readonly kind: string;
  readonly isActive: boolean;
  /** Write-ahead log it keeps from being recycled; null where it holds none. */
  readonly retainedBytes: number | null;
  /** pg_replication_slots.wal_status, from version 13 on. */
  readonly status: string | null;
}

export interface ActivityObservation {
  /** Since the database's statistics were reset, or since the server started where that is not known. */
  readonly countedMs: number;
  readonly blocksHit: number;
  readonly blocksRead: number;
  readonly blockReadMs: number;
  readonly temporaryFiles: number;
  readonly temporaryBytes: number;
  /** Sessions of all databases, now. */
  readonly sessions: number;
}

export interface CheckpointObservation {
  readonly countedMs: number;
  readonly timed: number;
  readonly requested: number;
  /** Write-ahead log since its own statistics were reset, per second; null before version 14. */
  readonly walBytesPerSecond: number | null;
}

export interface TransactionAgeObservation {
  readonly database: string;
  readonly transactionAge: number;
  readonly multixactAge: number;
}

export interface StatementHistoryObservation extends Pick<
  StatementObservation,
  'id' | 'text' | 'kind' | 'tables' | 'shape' | 'calls' | 'totalMs' | 'rows'
> {
  /** Share of the time of all statements of this database. */
  readonly timeShare: number;
  readonly blocks: number;
  readonly temporaryBlocksWritten: number;
  readonly temporaryBlocksRead: number;
  /** Compiling expressions to machine code; null before version 15. */
  readonly jitMs: number | null;
}

export interface ExtendedStatisticsObservation {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
}

export interface FilteredColumnObservation {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** The largest share of rows that one value of it has; 0 where no value is common. */
  readonly commonestShare: number;
  /** PostgreSQL's n_distinct: positive a count, negative minus the share of rows. */
  readonly distinct: number;
  /** How many values its statistics may list (manual, 14.2.1). */
  readonly statisticsTarget: number;
}

export interface TimeColumnObservation {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** Of its order with the rows' order on disk, -1 to 1. */
  readonly correlation: number;
}

export interface VectorColumnObservation {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
}
