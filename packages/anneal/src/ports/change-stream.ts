/** Commits of a database as they happen, whoever makes them; `adapters/change-stream.ts` reads PostgreSQL's log. */
export interface ChangeStreams {
  /**
   * Every commit from now on, in the order of commits. Resolves when none can be missed any more.
   * Throws ANNEAL_CHANGES_UNAVAILABLE where the server does not let it (`wal_level`, the right to replicate, no free slot).
   * `lost` is called at most once; nothing comes after it.
   */
  follow(url: string, listener: ChangeListener): Promise<ChangeStream>;
}

export interface ChangeListener {
  readonly committed: (transactions: readonly CommittedTransaction[]) => void;
  /** All that was committed until the moment before has been told. Several times a second. */
  readonly alive: () => void;
  readonly lost: (reason: string) => void;
}

export interface ChangeStream extends AsyncDisposable {
  close(): Promise<void>;
}

export interface CommittedTransaction {
  /** The low 32 bits. */
  readonly id: number;
  readonly changes: readonly RowChange[];
}

export interface RowChange {
  /** `schema.table`; null: some tables, or all. */
  readonly table: string | null;
  readonly action: 'insert' | 'update' | 'delete' | 'truncate';
  /** The row's values by column, as text; empty where a key was changed or the row does not say. Held in memory only. */
  readonly row: ReadonlyMap<string, string>;
}
