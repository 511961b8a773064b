import type { ColumnObservation, IndexObservation, StatementObservation, TableObservation } from '../../measurement/observations.ts';
import type { IndexDefinition } from '../../ports/planner.ts';
import { parseIndexKey } from './index-ddl.ts';
import { observedTableStatistics } from './index-size.ts';
import { columnsHeld, identifiersIn, indexUpkeep, type TableWrite } from './index-upkeep.ts';

/** What one more index costs the writes of its table in the window, and how that was reckoned. */
export interface WriteBill {
  readonly extraMs: number;
  /** Rows whose entries the index would have to keep up. */
  readonly rows: number;
  /** Of those, updates that touch no index today and would have to touch all of them. */
  readonly lostHeapOnlyRows: number;
  /** Entries one row makes in the index: more than one for GIN. */
  readonly entriesPerRow: number;
  /** Write-ahead log it adds in the window, full-page images left out. */
  readonly walBytes: number;
  /** Different pages of its own that the writes of the window dirty; each is logged whole once after a checkpoint. */
  readonly dirtiedPages: number;
}

/**
 * Writing a row costs the heap and each index about the same (the table's own measured time per row,
 * divided by one plus its indexes), so one more index adds one such part per row inserted or moved. It
 * is an upper bound: the time also holds what a statement costs before it writes anything. An update
 * is heap-only (HOT) as long as no indexed column changes; an index on a column that updates assign ends
 * that, and then every index of the table is written, not just the new one (manual, 65.7).
 */
export function writeBill(
  definition: IndexDefinition,
  statements: readonly StatementObservation[],
  table: TableObservation,
  indexes: readonly IndexObservation[],
  columns: readonly ColumnObservation[],
): WriteBill {
  const others = indexes.map(({ definition }) => definition).filter((other) => other.schema === table.schema && other.table === table.name);
  const existing = others.length;
  const { entries: entriesPerRow, parts } = upkeepOf(definition, columns);
  const heapOnlyShare = table.updates > 0 ? table.hotUpdates / table.updates : 0;
  const held = columnsHeld(definition);
  const written: TableWrite[] = [];
  let [extraMs, rows, lostHeapOnlyRows] = [0, 0, 0];
  for (const statement of statements) {
    if (!writes(statement, table) || statement.rows === 0) continue;
    const partMs = statement.totalMs / statement.rows / (1 + existing);
    const assignsKey = (statement.shape?.assignedColumns ?? []).some((column) => held.has(column));
    const heapOnly = statement.kind === 'update' ? statement.rows * heapOnlyShare : 0;
    const moved = statement.rows - heapOnly;
    const lost = assignsKey ? heapOnly : 0;
    extraMs += partMs * parts * moved + partMs * (existing + parts) * lost;
    rows += moved + lost;
    lostHeapOnlyRows += lost;
    written.push({ kind: statement.kind, rows: statement.rows, assignedColumns: statement.shape?.assignedColumns ?? [] });
  }
  const upkeep = indexUpkeep(definition, {
    // What a row logs is the same in all versions.
    statistics: observedTableStatistics(table, columns, indexes, 180_000),
    writes: written,
    heapOnlyShare,
    existing: others,
  });
  return { extraMs, rows, lostHeapOnlyRows, entriesPerRow, walBytes: upkeep?.walBytes ?? 0, dirtiedPages: upkeep?.dirtiedPages ?? 0 };
}

/** A write names its target first. Deleted rows leave their entries to VACUUM, which every index keeps busy too. */
function writes(
  statement: StatementObservation,
  table: TableObservation,
): statement is StatementObservation & { readonly kind: TableWrite['kind'] } {
  const { kind, shape } = statement;
  const target = shape?.tables[0];
  return (
    (kind === 'insert' || kind === 'update' || kind === 'delete') &&
    target?.name === table.name &&
    (target.schema === null || target.schema === table.schema)
  );
}

interface Upkeep {
  readonly entries: number;
  /** In parts: what a row costs one B-tree. */
  readonly parts: number;
}

/**
 * A trigram index holds at most one entry per character (pg_trgm: a word of n letters has n + 1
 * trigrams); a jsonb one about one per path, taken as 16 bytes of document each, a short key and a short
 * value. GIN collects new entries and inserts them in batches (fastupdate), so an entry costs less than
 * one of a B-tree: measured on PostgreSQL 18, 0.43 of a part per path and 0.03 per character.
 */
function upkeepOf({ keys, schema, table, method }: IndexDefinition, columns: readonly ColumnObservation[]): Upkeep {
  if (method !== 'gin') return { entries: 1, parts: 1 };
  const each = keys.map((key): Upkeep => {
    const { expression, operatorClass } = parseIndexKey(key);
    const column = columns.find(
      (column) => column.schema === schema && column.table === table && identifiersIn(expression).has(column.name),
    );
    const widthBytes = column?.averageWidthBytes ?? 32;
    const isTrigram = operatorClass === 'gin_trgm_ops';
    const entries = Math.max(1, isTrigram ? widthBytes : widthBytes / 16);
    return { entries, parts: Math.max(1, entries * (isTrigram ? 0.03 : 0.43)) };
  });
  return { entries: each.reduce((sum, { entries }) => sum + entries, 0), parts: each.reduce((sum, { parts }) => sum + parts, 0) };
}
