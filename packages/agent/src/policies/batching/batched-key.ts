import type { FetchedKeys } from './batched-statement.ts';
import type { RawAnswer } from './pg-answers.ts';
import type { RawRow } from './pg-calls.ts';

const noRows: readonly RawRow[] = [];

/** One set of parameters of a batch, and what the batch answered for it. */
export class BatchedKey {
  readonly values: readonly unknown[];
  /** Its own rows; none until the batch has answered, as for a set that has none. */
  rows: readonly RawRow[] = noRows;
  /** Of its batch, where that was fetched ahead. */
  answer: RawAnswer | null = null;
  fetched: FetchedKeys | null = null;
  isUsed = false;

  constructor(values: readonly unknown[]) {
    this.values = values;
  }

  take(row: RawRow): void {
    // Most have one row: an array that is made to grow takes many times the memory.
    if (this.rows.length === 0) this.rows = [row];
    else (this.rows as RawRow[]).push(row);
  }
}
