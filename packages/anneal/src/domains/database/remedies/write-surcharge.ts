import type { Measurement } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { AddIndexPlan } from './add-index-plan.ts';

/**
 * What maintaining one more index adds to the window's writes, milliseconds: the measured time per row
 * written is spread over the structures kept up to date now (the heap and each index), and the new one is
 * one more of them. A delete leaves index entries to VACUUM and adds nothing at once.
 */
export function writeSurchargeMs(plan: AddIndexPlan, writers: readonly StatementObservation[], measurement: Measurement): number {
  const { index } = plan;
  const { observations } = measurement;
  const onTable = (name: { readonly schema: string; readonly table: string }) => name.schema === index.schema && name.table === index.table;
  const structures = 1 + (observations['postgres.indexes'] ?? []).filter(({ definition }) => onTable(definition)).length;
  const table = observations['postgres.tables']?.find(({ schema, name }) => onTable({ schema, table: name }));
  const entries = entriesPerRow(plan, measurement);
  return writers.reduce((sum, statement) => {
    const share = statement.kind === 'insert' ? 1 : statement.kind === 'update' ? newEntryShare(plan, statement, table) : 0;
    return sum + (statement.totalMs / structures) * share * entries;
  }, 0);
}

/** A heap-only update enters nothing into any index, unless it assigns a column the index holds. */
function newEntryShare(
  { index }: AddIndexPlan,
  { shape }: StatementObservation,
  table: { readonly updates: number; readonly hotUpdates: number } | undefined,
): number {
  const words = new Set([...index.keys, ...index.include, index.predicate ?? ''].flatMap((text) => text.split(/[^\p{L}\p{N}_$]+/u)));
  if (shape?.assignedColumns?.some((column) => words.has(column)) === true) return 1;
  return table === undefined || table.updates === 0 ? 1 : 1 - table.hotUpdates / table.updates;
}

/**
 * An inverted index has an entry for everything inside a value. pg_trgm makes about one per character; a
 * key and its value in JSON take about 16 bytes, an assumption that nothing here measures.
 */
function entriesPerRow({ index }: AddIndexPlan, { observations }: Measurement): number {
  if (index.method !== 'gin') return 1;
  const perKey = index.keys.map((key) => {
    const width = observations['postgres.columns']?.find(
      ({ schema, table, name }) => schema === index.schema && table === index.table && key.split(/[^\p{L}\p{N}_$]+/u).includes(name),
    )?.averageWidthBytes;
    if (width === undefined) return 1;
    return Math.max(key.endsWith('gin_trgm_ops') ? width : width / 16, 1);
  });
  return perKey.reduce((sum, entries) => sum + entries, 0);
}
