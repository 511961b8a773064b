/**
 * What Anneal needs of MySQL 8 or MariaDB; `adapters/mysql.ts` is the one that speaks to a server. It stands beside the
 * `Sql` port and not behind it: parameters, catalogue, errors and the meaning of a transaction are all different.
 */

export interface Mysql extends AsyncDisposable {
  readonly product: MysqlProduct;
  /** `10.11.19`, without what the distribution appended. */
  readonly version: string;
  /** The database the URL names. */
  readonly database: string;
  /** What the connection points at, password removed: safe to print. */
  readonly label: string;
  /** One statement, `?` for each value. Throws the driver's error with `errno` and, for those MySQL knows, `code` such as `ER_LOCK_WAIT_TIMEOUT`. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly MysqlValue[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export type MysqlProduct = 'MySQL' | 'MariaDB';
export type MysqlValue = string | number | null;

export interface MysqlConnectOptions {
  /** `SET SESSION TRANSACTION READ ONLY`: every statement of the session that would write is refused by the server. */
  readonly readOnly: boolean;
  readonly statementTimeoutMs?: number;
  /** Whole seconds is what the server counts in: it is rounded up. */
  readonly lockTimeoutMs?: number;
}

export interface MysqlDatabases {
  /**
   * One dedicated connection. Throws ANNEAL_DATABASE_UNREACHABLE, ANNEAL_DATABASE_CREDENTIALS, ANNEAL_DATABASE_MISSING,
   * ANNEAL_DATABASE_UNSUPPORTED for other products and older versions, ANNEAL_USAGE when the URL names no database.
   */
  connect(url: string, options: MysqlConnectOptions): Promise<Mysql>;
}

/** A name as it is written in a statement, whatever characters it holds (manual, "Schema Object Names"). */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** What a statement asks of its tables, as far as its digest tells. */
export interface MysqlStatementShape {
  /** In the order of the text; `table` is null for what is no table of this database: a view, a subquery. */
  readonly tables: readonly MysqlTableUse[];
  /** All of them must hold for a row to be kept. */
  readonly conditions: readonly MysqlCondition[];
  /** ORDER BY as columns; null where it sorts by anything else, empty where it does not sort. */
  readonly order: readonly MysqlSortColumn[] | null;
  /** GROUP BY, DISTINCT or an aggregate function: a row given is not a row kept. */
  readonly summarises: boolean;
  readonly hasLimit: boolean;
}

export interface MysqlTableUse {
  /** The name the rest of the statement, and EXPLAIN, knows it by. */
  readonly alias: string;
  readonly table: string | null;
}

export interface MysqlColumnUse {
  readonly alias: string;
  readonly column: string;
}

export interface MysqlSortColumn extends MysqlColumnUse {
  readonly descending: boolean;
}

export type MysqlCondition =
  /** With a constant, a list of them, or NULL: leads to rows one after another in an index. */
  | ({ readonly kind: 'equal' } & MysqlColumnUse)
  | ({ readonly kind: 'range' } & MysqlColumnUse)
  /** An index serves it only where the pattern does not begin with a wildcard, and a digest does not tell. */
  | ({ readonly kind: 'like' } & MysqlColumnUse)
  | ({ readonly kind: 'join'; readonly other: MysqlColumnUse } & MysqlColumnUse)
  /** No index on a plain column serves it: `text` says what it is. */
  | { readonly kind: 'opaque'; readonly text: string; readonly aliases: readonly string[] };
