/**
 * The append-only, hash-chained journal. Generic in its events: `trial/events.ts` owns their words.
 * An entry is on disk (fsync) before the act it announces begins.
 */
export interface LedgerEntry<Event> {
  /** 1, 2, 3 ... over the whole file, not per run. */
  readonly sequence: number;
  readonly at: string;
  readonly run: string;
  readonly event: Event;
  /** Hash of the entry before; 64 zeros for the first. */
  readonly previousHash: string;
  /** SHA-256 over the entry without this field, keys in this order, as compact JSON. */
  readonly hash: string;
}

export interface Ledger<Event> {
  readonly path: string;
  append(run: string, event: Event): Promise<LedgerEntry<Event>>;
  entries(): Promise<readonly LedgerEntry<Event>[]>;
}
