import type { ShownSummary } from '../protocol.ts';
import type { ShownRows } from './shown-rows.ts';

const mostColumns = 200;

/** Comparisons of one statement's results with their answers, added up over a window. */
export class Shown {
  #comparisons = 0;
  #rows = 0;
  #shownRows = 0;
  readonly #columns = new Map<string, { sizeBytes: number; shown: number }>();

  add({ rows, shownRows, columns }: ShownRows): void {
    this.#comparisons += 1;
    if (shownRows !== null) {
      this.#rows += rows;
      this.#shownRows += shownRows;
    }
    for (const { name, sizeBytes, isShown } of columns) {
      let column = this.#columns.get(name);
      if (column === undefined) {
        if (this.#columns.size >= mostColumns) continue;
        column = { sizeBytes: 0, shown: 0 };
        this.#columns.set(name, column);
      }
      column.sizeBytes += sizeBytes;
      if (isShown) column.shown += 1;
    }
  }

  toSummary(): ShownSummary {
    return {
      comparisons: this.#comparisons,
      rows: this.#rows,
      shownRows: Math.round(this.#shownRows),
      columns: [...this.#columns].map(([name, column]) => ({ name, ...column })),
    };
  }
}
