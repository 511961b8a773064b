import type { SnapshotColumn, SnapshotTable } from '../ports/database-snapshot.ts';
import { quoteIdentifier } from '../ports/index-sql.ts';
import type { IndexDefinition, IndexSize } from '../ports/planner.ts';
import { pageBytes } from './shadow-files.ts';

/** A page's header, its special area and the item of its high key's line pointer leave this much (bufpage.h, nbtree.h). */
const usableBytes = pageBytes - 24 - 16 - 4;
/** Default fill factors of leaf and internal pages (manual, CREATE INDEX; nbtree.h BTREE_NONLEAF_FILLFACTOR). */
const leafFillShare = 0.9;
const internalFillShare = 0.7;
const linePointerBytes = 4;
const tupleHeaderBytes = 8;

/** What the planner assumes of a type it has no statistics of (get_typavgwidth). */
const unknownWidthBytes = 32;

function widthBytes(column: SnapshotColumn): number {
  if (column.fixedLengthBytes > 0) return column.fixedLengthBytes;
  return column.statistics?.averageWidthBytes ?? unknownWidthBytes;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function entryBytes(keyBytes: number): number {
  return tupleHeaderBytes + aligned(keyBytes) + linePointerBytes;
}

/**
 * Levels above the leaves of a B-tree with so many pages. Internal pages hold one key per child and are filled to 70 %;
 * truncation of what does not tell two children apart is not counted, which matters for wide keys only.
 */
export function btreeHeight(pages: number, key: readonly SnapshotColumn[]): number {
  const fanOut = Math.max(
    2,
    Math.floor((usableBytes * internalFillShare) / entryBytes(key.reduce((sum, column) => sum + widthBytes(column), 0))),
  );
  let height = 0;
  for (let level = Math.max(1, pages - 1); level > 1; level = Math.ceil(level / fanOut)) height += 1;
  return height;
}

/** An index without deduplication, for where nobody knows better. */
export function plainIndexSize(definition: IndexDefinition, table: SnapshotTable, rows: number): IndexSize {
  const named = [...definition.keys, ...definition.include.map(quoteIdentifier)].map((text) => columnOf(text, table));
  const bytes = named.reduce((sum, column) => sum + (column === null ? unknownWidthBytes : widthBytes(column)), 0);
  const leaves = Math.max(1, Math.ceil((rows * entryBytes(bytes)) / (usableBytes * leafFillShare)));
  const key = definition.keys.flatMap((text) => columnOf(text, table) ?? []);
  return { pages: leaves + 1, height: btreeHeight(leaves + 1, key), rows };
}

/** The column that a key such as `created_at DESC` begins with; null for an expression. */
function columnOf(text: string, table: SnapshotTable): SnapshotColumn | null {
  const word = /^(?:"(?:[^"]|"")+"|[\w$]+)(?=$|\s)/u.exec(text.trim())?.[0];
  return table.columns.find(({ name }) => word === name || word === quoteIdentifier(name)) ?? null;
}
