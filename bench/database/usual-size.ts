import type { IndexDefinition, IndexSize } from '../../packages/anneal/src/ports/planner.ts';
import { predictIndexSize, type TableStatistics } from '../../packages/anneal/src/domains/database/index-size.ts';

/**
 * The size the published comparisons reckon with: HypoPG's formula (hypopg_index.c, hypo_estimate_index), which knows no deduplication,
 * adds a fifth for bloat and says of the height that it is not known. For comparison with them only.
 */
export function usualIndexSize(definition: IndexDefinition, table: TableStatistics): IndexSize {
  const names = [...definition.keys.map((key) => key.split(' ')[0]!), ...definition.include];
  const widthBytes = names.reduce(
    (sum, name) => sum + (table.columns.find((column) => column.name === name)?.statistics?.averageWidthBytes ?? 8),
    0,
  );
  const rows = definition.predicate === null ? table.rows : (predictIndexSize(definition, table)?.rows ?? table.rows);
  const lineBytes = widthBytes + 8 * names.length + Math.ceil((4 * names.length) / 8) * 8;
  const bloat = (200 - 90 + 20) / 100;
  return { pages: Math.max(1, Math.floor((lineBytes * rows * bloat) / (8192 - 24 - 16))), height: -1, rows };
}
