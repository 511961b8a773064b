import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { StatementShape } from '../../../ports/sql-parser.ts';
import { tableStatistics, type PredictedIndexSize } from '../index-size.ts';
import { indexUpkeep, type IndexUpkeep, type TableWrite, type WrittenTable } from '../index-upkeep.ts';
import { definitionOf } from './existing-indexes.ts';

/** What keeping an index up costs the writes of the window. */
export interface WriteCost extends IndexUpkeep {
  /** In the planner's units, in which one page read in sequence is 1. */
  readonly cost: number;
  readonly costPerRow: number;
}

export interface WorkloadWrite {
  readonly shape: StatementShape;
  readonly rows: number;
}

const pageBytes = 8192;

/**
 * The write bill of an index in the planner's own units, so that it can be set against what statements gain. An entry costs the
 * descent to its leaf, priced as btcostestimate prices it, and the entry itself; each leaf that becomes dirty is read at
 * random and written out once; and the log is written page by page. Writes come from the workload's statements; for a
 * table that none of them writes its own counters stand in, which know rows but not what an UPDATE assigns.
 */
export function writeCosts(
  snapshot: DatabaseSnapshot,
  writes: readonly WorkloadWrite[],
  sizeOf: (definition: IndexDefinition) => PredictedIndexSize | null,
): (definition: IndexDefinition) => WriteCost | null {
  const price = (name: string, usual: number) => Number(snapshot.settings[name] ?? usual);
  const [random, sequential] = [price('random_page_cost', 4), price('seq_page_cost', 1)];
  const [operator, entry] = [price('cpu_operator_cost', 0.0025), price('cpu_index_tuple_cost', 0.005)];
  const tables = new Map<string, WrittenTable | null>();
  return (definition) => {
    const { schema, table } = definition;
    const key = JSON.stringify([schema, table]);
    if (!tables.has(key)) tables.set(key, writtenTable(snapshot, schema, table, writes));
    const [written, size] = [tables.get(key) ?? null, sizeOf(definition)];
    const upkeep = written === null ? null : indexUpkeep(definition, written);
    if (written === null || size === null || upkeep === null) return null;
    const descent = Math.ceil(Math.log2(Math.max(2, size.rows))) * operator + (size.height + 1) * 50 * operator + entry;
    // A row whose update was heap-only writes every index of the table from now on.
    const entries = upkeep.entryRows * size.entriesPerRow + upkeep.lostHeapOnlyRows * written.existing.length;
    const cost = entries * descent + upkeep.dirtiedPages * (random + sequential) + (upkeep.walBytes / pageBytes) * sequential;
    return { ...upkeep, cost, costPerRow: upkeep.entryRows === 0 ? 0 : cost / upkeep.entryRows };
  };
}

function writtenTable(snapshot: DatabaseSnapshot, schema: string, name: string, writes: readonly WorkloadWrite[]): WrittenTable | null {
  const statistics = tableStatistics(snapshot, schema, name);
  const table = snapshot.tables.find((each) => each.schema === schema && each.name === name);
  if (statistics === null || table === undefined) return null;
  const isTarget = ({ shape }: WorkloadWrite) => {
    const [target] = shape.tables;
    return target?.name === name && (target.schema === null || target.schema === schema);
  };
  const own = writes
    .filter(isTarget)
    .flatMap(({ shape: { kind, assignedColumns = [] }, rows }): readonly TableWrite[] =>
      kind === 'insert' || kind === 'update' || kind === 'delete' ? [{ kind, rows, assignedColumns }] : [],
    );
  const counted: readonly TableWrite[] = [
    { kind: 'insert', rows: table.inserts, assignedColumns: [] },
    { kind: 'update', rows: table.updates, assignedColumns: [] },
  ];
  return {
    statistics,
    writes: own.length > 0 ? own : counted,
    heapOnlyShare: table.updates > 0 ? table.hotUpdates / table.updates : 0,
    existing: snapshot.indexes
      .filter((index) => index.schema === schema && index.table === name)
      .map(definitionOf)
      .filter((existing) => existing !== null),
  };
}
