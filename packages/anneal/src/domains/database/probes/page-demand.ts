/**
 * How many pages rows and index entries need, from the planner's statistics: what lies above it is bloat. Both formulas
 * err on the side of need (worst padding between columns, no deduplication), so the bloat they leave is a lower bound.
 * Layouts: manual, 66.6 (database page layout) and 65.1.4 (B-tree).
 */

export interface RowDemand {
  readonly rows: number;
  /** Of the columns' values, nulls counted as nothing. */
  readonly widthBytes: number;
  /** The most that alignment can put between the columns. */
  readonly paddingBytes: number;
  readonly columns: number;
  readonly fillShare: number;
  readonly blockBytes: number;
}

const pageHeaderBytes = 24;
const itemPointerBytes = 4;
const alignmentBytes = 8;

export function heapPages({ rows, widthBytes, paddingBytes, columns, fillShare, blockBytes }: RowDemand): number {
  const headerBytes = aligned(23 + Math.ceil(columns / 8));
  const rowBytes = headerBytes + aligned(widthBytes + paddingBytes) + itemPointerBytes;
  // A row never crosses a page: only whole ones count.
  const rowsPerPage = Math.max(1, Math.floor(((blockBytes - pageHeaderBytes) * fillShare) / rowBytes));
  return Math.ceil(rows / rowsPerPage);
}

/** Leaf pages, the pages above them (one in some hundreds) and the meta page. */
export function btreePages({ rows, widthBytes, paddingBytes, fillShare, blockBytes }: Omit<RowDemand, 'columns'>): number {
  const entryBytes = alignmentBytes + aligned(widthBytes + paddingBytes) + itemPointerBytes;
  const perPage = Math.max(1, Math.floor(((blockBytes - pageHeaderBytes - 16) * fillShare) / entryBytes));
  const leaves = Math.ceil(rows / perPage);
  return leaves + Math.ceil(leaves / Math.max(perPage, 2)) + 1;
}

function aligned(sizeBytes: number): number {
  return Math.ceil(sizeBytes / alignmentBytes) * alignmentBytes;
}

/**
 * Worst padding in front of a column, in SQL over `pg_attribute a` and its `avg_width`. Short variable-length values
 * are stored unaligned.
 */
export const paddingSql = (attribute: string, width: string) => `CASE
  WHEN ${attribute}.attlen = -1 AND ${width} < 127 THEN 0
  ELSE CASE ${attribute}.attalign WHEN 'd' THEN 7 WHEN 'i' THEN 3 WHEN 's' THEN 1 ELSE 0 END END`;
