import type { MysqlProduct, MysqlStatementShape } from '../ports/mysql.ts';

/**
 * What MySQL 8 and MariaDB say of themselves. Counters come from performance_schema and run since the server started or
 * somebody truncated them; `countedMs` stands with each.
 */
export interface MysqlObservations {
  readonly 'mysql.server': MysqlServerObservation;
  readonly 'mysql.tables': readonly MysqlTableObservation[];
  readonly 'mysql.columns': readonly MysqlColumnObservation[];
  readonly 'mysql.indexes': readonly MysqlIndexObservation[];
  readonly 'mysql.foreign-keys': readonly MysqlForeignKeyObservation[];
  readonly 'mysql.index-usage': MysqlIndexUsageObservation;
  /** Those that took most time, most first. */
  readonly 'mysql.statements': readonly MysqlStatementObservation[];
  /** By statement id: the steps of the outermost SELECT, in the order they are joined. */
  readonly 'mysql.plans': Readonly<Record<string, readonly MysqlPlanStep[]>>;
}

export interface MysqlServerObservation {
  readonly product: MysqlProduct;
  readonly version: string;
  /** The one looked at. */
  readonly database: string;
  readonly uptimeMs: number;
  /** `read_only`: what a replica usually is. */
  readonly isReadOnly: boolean;
  readonly pageBytes: number;
  /** Sent by clients since the server started, to any of its databases, and those of them executed as prepared ones. */
  readonly statements: number;
  readonly preparedExecutions: number;
}

export interface MysqlTableObservation {
  readonly name: string;
  readonly engine: string;
  /** The engine's estimate. */
  readonly rows: number;
  readonly dataBytes: number;
  readonly indexBytes: number;
}

export interface MysqlColumnObservation {
  readonly table: string;
  readonly name: string;
  /** `varchar`, without its length. */
  readonly type: string;
  readonly nullable: boolean;
  /** Most bytes a value of it takes in an index; null where it is no text and small. */
  readonly mostBytes: number | null;
}

export interface MysqlIndexObservation {
  readonly table: string;
  readonly name: string;
  readonly keys: readonly MysqlIndexKey[];
  /** `BTREE`, `FULLTEXT`, `SPATIAL`, `HASH`, `RTREE`. */
  readonly kind: string;
  readonly isUnique: boolean;
  readonly isPrimary: boolean;
  /** INVISIBLE in MySQL, IGNORED in MariaDB: kept up, and not used. */
  readonly isIgnored: boolean;
  /** Null where the role may not read mysql.innodb_index_stats, or the engine is another. */
  readonly sizeBytes: number | null;
}

export interface MysqlIndexKey {
  /** Null for an expression. */
  readonly column: string | null;
  /** Characters of the column it holds; null for all of it. */
  readonly prefixLength: number | null;
  readonly descending: boolean;
}

export interface MysqlForeignKeyObservation {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
}

export interface MysqlIndexUsageObservation {
  /** At most this long: since the server started. A truncated or later enabled instrument has counted for less, and does not say so. */
  readonly countedMs: number;
  /** Rows fetched through an index, and rows written to its table through it; absent where nothing touched it. */
  readonly uses: readonly { readonly table: string; readonly index: string; readonly reads: number; readonly writes: number }[];
  /** Rows inserted, changed and deleted by table. */
  readonly writes: Readonly<Record<string, number>>;
}

export interface MysqlStatementObservation {
  /** The server's digest. */
  readonly id: string;
  /** DIGEST_TEXT: no constant of the application is in it. */
  readonly text: string;
  readonly kind: 'select' | 'update' | 'delete' | 'other';
  readonly calls: number;
  readonly totalMs: number;
  /** Of the time of all statements of this database, 0-1. */
  readonly timeShare: number;
  readonly rowsExamined: number;
  readonly rowsSent: number;
  readonly rowsAffected: number;
  /** Calls that read a table without an index. */
  readonly noIndexCalls: number;
  readonly sorts: number;
  readonly sortMergePasses: number;
  readonly temporaryTables: number;
  readonly diskTemporaryTables: number;
  /** From the first call seen to the last. */
  readonly countedMs: number;
  /** Null where the text was cut off or is of a form that is not read. */
  readonly shape: MysqlStatementShape | null;
}

export interface MysqlPlanStep {
  readonly alias: string;
  /** EXPLAIN's join type: `ALL` reads the whole table, `index` a whole index. */
  readonly access: string;
  readonly index: string | null;
  readonly possibleIndexes: readonly string[];
  /** The optimizer's estimate of rows read each time the step runs. */
  readonly rows: number;
  readonly sortsByFile: boolean;
  readonly usesTemporary: boolean;
}
