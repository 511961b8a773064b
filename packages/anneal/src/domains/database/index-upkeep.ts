import type { IndexDefinition } from '../../ports/planner.ts';
import { parseIndexKey } from './index-ddl.ts';
import { predictIndexSize, type TableStatistics } from './index-size.ts';
import { bareColumn } from './index-size/table-statistics.ts';

/** Rows that a statement of the workload writes into one table. */
export interface TableWrite {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly rows: number;
  /** Columns that an UPDATE assigns. */
  readonly assignedColumns: readonly string[];
}

export interface WrittenTable {
  readonly statistics: TableStatistics;
  readonly writes: readonly TableWrite[];
  /** Of the table's updates, those that touched no index (`n_tup_hot_upd` of `n_tup_upd`). */
  readonly heapOnlyShare: number;
  /** Indexes that it has. */
  readonly existing: readonly IndexDefinition[];
}

/** What keeping one more index up writes, in the window that the writes are of. All of it is predicted. */
export interface IndexUpkeep {
  /** Rows that the index gets an entry for. */
  readonly entryRows: number;
  /** Of those, updates that touch no index today and would touch all of them. */
  readonly lostHeapOnlyRows: number;
  /** Write-ahead log beyond today's, without full-page images. */
  readonly walBytes: number;
  /** Different leaf pages that these entries dirty: after each checkpoint each of them is once logged whole (8 kB). */
  readonly dirtiedPages: number;
}

/**
 * The write bill of an index in bytes and pages. An INSERT makes one entry per row. An UPDATE makes one unless it is heap-only (HOT), and
 * an index that holds a column it assigns, as key, payload or in its predicate, ends that for it: then every index of the
 * table gets an entry, and the row's new place is logged in the heap as before (manual, 65.7). A DELETE leaves entries to VACUUM, which logs a few
 * bytes a row and is not counted. Null where the table lacks a column of the definition.
 */
export function indexUpkeep(definition: IndexDefinition, table: WrittenTable): IndexUpkeep | null {
  const { statistics, writes, heapOnlyShare, existing } = table;
  const size = predictIndexSize(definition, statistics);
  if (size === null) return null;
  const heldShare = statistics.rows > 0 ? size.rows / statistics.rows : 1;
  const held = columnsHeld(definition);
  let [entryRows, lostHeapOnlyRows] = [0, 0];
  for (const { kind, rows, assignedColumns } of writes) {
    if (kind === 'delete') continue;
    const heapOnly = kind === 'update' ? rows * heapOnlyShare : 0;
    const lost = assignedColumns.some((column) => held.has(column)) ? heapOnly : 0;
    entryRows += (rows - heapOnly + lost) * heldShare;
    lostHeapOnlyRows += lost;
  }
  const walOfOthers = existing.reduce((sum, other) => sum + (rowWalBytes(other, statistics) ?? 0), 0);
  const walOfEntry = rowWalBytes(definition, statistics)! / Math.max(heldShare, 1e-12);
  return {
    entryRows,
    lostHeapOnlyRows,
    walBytes: entryRows * walOfEntry + lostHeapOnlyRows * walOfOthers,
    dirtiedPages: dirtiedPages(
      size.pages,
      entryRows * size.entriesPerRow,
      entryRows / Math.max(1, size.rows),
      isAppended(definition, statistics),
    ),
  };
}

/** Head of a record (24), its reference to a page (20), the head of its data (2) and the entry's place (2): xlogrecord.h, nbtxlog.h. */
const recordBytes = 48;

/**
 * Write-ahead log that one row adds to an index of the table, averaged over all rows, without full-page images: the record of its entry,
 * and its part of the pages that split. Null where the table lacks a column of the definition.
 */
export function rowWalBytes(definition: IndexDefinition, table: TableStatistics): number | null {
  const size = predictIndexSize(definition, table);
  if (size === null) return null;
  const heldShare = table.rows > 0 ? size.rows / table.rows : 1;
  const perRow: Readonly<Record<IndexDefinition['method'], () => number>> = {
    btree: () => recordBytes + size.entryBytes + splitShare(isAppended(definition, table)) * (size.entryBytes + 4),
    // The entry is the key's hash; the meta page, which counts entries, is referred to as well.
    hash: () => recordBytes + 16 + 8,
    gist: () => recordBytes + 2 + size.entryBytes + splitShare(false) * (size.entryBytes + 4),
    // One record for the row on the list of pending entries, and each entry once there and once in its place. Measured on PostgreSQL 18 with 3, 6 and 18 entries a row.
    gin: () => 72 + 40 * size.entriesPerRow,
    // A range's summary changes only when a value lies outside of it, and a range begun after the last VACUUM has none yet.
    brin: () => 0,
  };
  return perRow[definition.method]() * heldShare;
}

/**
 * A page that splits logs the tuples of its right half. In the middle that is half a page for each page of new tuples, which are filled to
 * ln 2 on average; at the right end, where the split leaves nine tenths behind, a tenth for nine.
 */
function splitShare(isAppended: boolean): number {
  return isAppended ? 0.1 / 0.9 : 0.5 / Math.LN2;
}

/** Rows arrive in the order of the key, as those of a clock or a sequence do. */
function isAppended({ keys, predicate }: IndexDefinition, { columns }: TableStatistics): boolean {
  const leading = keys[0] === undefined ? null : bareColumn(keys[0]);
  const correlation = columns.find(({ name }) => name === leading)?.statistics?.correlation ?? 0;
  return predicate === null && correlation > 0.99;
}

/** Appended entries share pages; others fall on any page, and the more pages there are the fewer are met twice. */
function dirtiedPages(pages: number, entries: number, newShare: number, isAppended: boolean): number {
  return isAppended ? Math.ceil(pages * newShare) : Math.ceil(pages * -Math.expm1(-entries / Math.max(1, pages)));
}

/** Columns that an index reads, as key, payload or in its predicate. */
export function columnsHeld({ keys, include, predicate }: IndexDefinition): ReadonlySet<string> {
  return new Set([...identifiersIn([...keys.map((key) => parseIndexKey(key).expression), predicate ?? ''].join(' ')), ...include]);
}

/** Every word of an expression that could be a column, quotes taken off. */
export function identifiersIn(sql: string): ReadonlySet<string> {
  const withoutLiterals = sql.replaceAll(/'(?:[^']|'')*'/gu, ' ');
  return new Set(
    [...withoutLiterals.matchAll(/"((?:""|[^"])+)"|[\p{L}_][\p{L}\p{N}_$]*/gu)].map(
      ([plain, quoted]) => quoted?.replaceAll('""', '"') ?? plain,
    ),
  );
}
