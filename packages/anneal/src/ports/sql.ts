/** What Anneal needs of a relational database; `adapters/pg.ts` is the PostgreSQL one. */

export interface SqlResult<Row> {
  readonly rows: readonly Row[];
  readonly rowCount: number;
  /** The server's number (`pg_type.oid`) of each column's type, in order; also where there are no rows. PostgreSQL only. */
  readonly columnTypes?: readonly number[];
}

export interface SqlQueryOptions {
  /** Server-side statement_timeout for this statement only. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Sql extends AsyncDisposable {
  /** One statement, `$1`-style parameters. Throws the driver's error with `code` = SQLSTATE. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: SqlQueryOptions,
  ): Promise<SqlResult<Row>>;
  /** Runs `work` in `BEGIN READ ONLY ... ROLLBACK`, so that nothing it does can stay. */
  readOnly<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** What the connection points at, password removed: safe to print. */
  readonly label: string;
  close(): Promise<void>;
}

export interface SqlConnectOptions {
  /** Shown in pg_stat_activity; always starts with `anneal`. */
  readonly applicationName: string;
  /** `default_transaction_read_only = on` for the whole session. */
  readonly readOnly: boolean;
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
}

export interface Databases {
  /**
   * One dedicated connection (not a pool).
   * Throws ANNEAL_DATABASE_UNREACHABLE, ANNEAL_DATABASE_CREDENTIALS or ANNEAL_DATABASE_MISSING.
   */
  connect(url: string, options: SqlConnectOptions): Promise<Sql>;
}
