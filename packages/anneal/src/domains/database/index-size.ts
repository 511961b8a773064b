import type { DatabaseSnapshot } from '../../ports/database-snapshot.ts';
import type { IndexDefinition, IndexSize } from '../../ports/planner.ts';
import { brinPages } from './index-size/brin-size.ts';
import { type BtreeShape, btreeShape, defaultFillFactor } from './index-size/btree-size.ts';
import { ginPages } from './index-size/gin-size.ts';
import { gistShape } from './index-size/gist-size.ts';
import { hashPages } from './index-size/hash-size.ts';
import { attributeOfKey, type IndexAttribute } from './index-size/index-attributes.ts';
import { aligned, meanBytes, tupleSizes } from './index-size/index-tuple.ts';
import { amongRows, type IndexedRows, keyGroups, presentGroups } from './index-size/key-groups.ts';
import { partialRows, type PartialRows } from './index-size/partial-rows.ts';
import { tableStatistics, type TableStatistics } from './index-size/table-statistics.ts';
import { valuesOf } from './index-size/value-classes.ts';
import { type Attribute, attributeOf } from './index-size/value-widths.ts';

export { observedTableStatistics, tableStatistics, type TableStatistics } from './index-size/table-statistics.ts';

/** What an index would be right after CREATE INDEX. Later inserts at random places leave a B-tree about a third emptier. */
export interface PredictedIndexSize extends IndexSize {
  readonly sizeBytes: number;
  /** Mean length of one entry as it is written: header, key and payload, aligned. */
  readonly entryBytes: number;
  /** Entries that one row makes: more than one in a GIN index. */
  readonly entriesPerRow: number;
  /** What had to be assumed because no statistic says it; empty when the prediction rests on statistics alone. */
  readonly assumptions: readonly string[];
}

export interface IndexOptions {
  /** A unique B-tree is built without deduplication. */
  readonly unique?: boolean;
  /** Of leaf pages, per cent; 90 unless given. Only B-trees are asked for it. */
  readonly fillFactor?: number;
}

const pageBytes = 8192;

/**
 * The size of an index from the statistics of its table, without building it. Null where the table lacks a column of the definition.
 * How pages are filled follows the source and the manual of PostgreSQL 12-18; what is only known from measuring says so where it is used.
 */
export function predictIndexSize(
  definition: IndexDefinition,
  table: TableStatistics,
  options: IndexOptions = {},
): PredictedIndexSize | null {
  const keys = definition.keys.map((key) => attributeOfKey(key, table));
  const payload = definition.include.map((column) => attributeOfKey(`"${column.replaceAll('"', '""')}"`, table));
  if (!isComplete(keys) || !isComplete(payload)) return null;
  const part: PartialRows =
    definition.predicate === null ? { share: 1, columns: new Map(), assumptions: [] } : partialRows(definition.predicate, table);
  const content: IndexContent = { definition, table, options, part, keys, payload, rows: table.rows * part.share };
  const { pages, height, entriesPerRow = 1, assumptions: more = [] } = shapeOf(content);
  const assumptions = [...part.assumptions, ...[...keys, ...payload].flatMap(({ assumptions }) => assumptions), ...more];
  return {
    sizeBytes: pages * pageBytes,
    pages,
    height,
    rows: Math.round(content.rows),
    entryBytes: meanBytes(tupleSizes(layouts(content))),
    entriesPerRow,
    assumptions: [...new Set(assumptions)],
  };
}

/** Sizes of any index of a snapshot's tables, reckoned once each: what a planner sets a hypothetical index to. */
export function indexSizes(snapshot: DatabaseSnapshot): (definition: IndexDefinition) => PredictedIndexSize | null {
  const tables = new Map<string, TableStatistics | null>();
  const sizes = new Map<string, PredictedIndexSize | null>();
  return (definition) => {
    const { schema, table, method, keys, include, predicate } = definition;
    const tableName = JSON.stringify([schema, table]);
    if (!tables.has(tableName)) tables.set(tableName, tableStatistics(snapshot, schema, table));
    const indexName = JSON.stringify([schema, table, method, keys, include, predicate]);
    const statistics = tables.get(tableName) ?? null;
    if (!sizes.has(indexName)) sizes.set(indexName, statistics === null ? null : predictIndexSize(definition, statistics));
    return sizes.get(indexName) ?? null;
  };
}

interface IndexContent extends IndexedRows {
  readonly definition: IndexDefinition;
  readonly options: IndexOptions;
  readonly keys: readonly IndexAttribute[];
  readonly payload: readonly IndexAttribute[];
}

function shapeOf(content: IndexContent): Shape {
  const { definition, table, keys } = content;
  const shapes: Readonly<Record<IndexDefinition['method'], () => Shape>> = {
    btree: () => btreeOf(content),
    hash: () => ({ pages: hashPages(table.rows, presentGroups(content, keys[0])), height: 0 }),
    brin: () => ({ pages: brinPages(table.pages, summaryBytes(content)), height: 0 }),
    gin: () => ({ ...ginPages(keys, table, content.rows), height: 0 }),
    gist: () => gistShape([...keys, ...content.payload], layouts(content), table, content.rows),
  };
  return shapes[definition.method]();
}

interface Shape extends BtreeShape {
  readonly entriesPerRow?: number;
  readonly assumptions?: readonly string[];
}

function btreeOf(content: IndexContent): BtreeShape {
  const { keys, payload, options, rows, table } = content;
  const attributes = layouts(content);
  const sizes = keys.map((_, at) => meanBytes(tupleSizes(attributes.slice(0, at + 1))));
  const prefixes = keys.map((_, at) => keyGroups(content, keys.slice(0, at + 1)).reduce((sum, { groups }) => sum + valuesOf(groups), 0));
  return btreeShape({
    strata: keyGroups(content, keys).map(({ groups, nulls }) => ({
      groups,
      tuples: tupleSizes(attributes.map((attribute, at) => ({ ...attribute, nullShare: nulls[at] ?? attribute.nullShare }))),
    })),
    isDeduplicated: table.versionNumber >= 130_000 && options.unique !== true && payload.length === 0 && keys.every(isEqualImage),
    pivotBytes: (leafTuples) =>
      pivotBytes(
        sizes,
        prefixes.map((values) => Math.min(rows, values)),
        leafTuples,
      ),
    fillFactor: options.fillFactor ?? defaultFillFactor,
  });
}

/**
 * Above the leaves stands only as much of a key as tells two neighbours apart (suffix truncation), and the row's place of 8 bytes where
 * the whole key is equal. Neighbours share a prefix as often as there are more tuples than values of it.
 */
function pivotBytes(sizes: readonly number[], groups: readonly number[], leafTuples: number): number {
  const equalShare = (at: number) => (at < 0 ? 1 : Math.max(0, 1 - (groups[at] ?? 0) / leafTuples));
  const told = sizes.reduce((sum, bytes, at) => sum + bytes * (equalShare(at - 1) - equalShare(at)), 0);
  return told + ((sizes.at(-1) ?? 8) + 8) * equalShare(sizes.length - 1);
}

function layouts({ keys, payload, table, part }: IndexContent): readonly Attribute[] {
  return [...keys, ...payload].map((key) => attributeOf({ ...key.column, statistics: amongRows(key, part) }, table.hasValues));
}

/** A range's summary: a header of 5 bytes, aligned, and the smallest and largest value of each column (minmax). */
function summaryBytes(content: IndexContent): number {
  return aligned(8 + 2 * layouts(content).reduce((sum, { widths }) => sum + meanBytes(widths), 0));
}

/**
 * Types whose default B-tree class has an `equalimage` function that says yes: equal values are equal bytes, so one can stand for all
 * (manual, 65.1.4.3; read from pg_amproc). Missing are numeric, jsonb, floats, interval, arrays, ranges and other containers.
 */
const equalImageTypes =
  /^(?:text|character|name|"char"|smallint|integer|bigint|oid|money|boolean|date|timestamp|time\b|uuid|bytea|bit|inet|cidr|macaddr|pg_lsn|xid8|tid)/u;

function isEqualImage({ column }: IndexAttribute): boolean {
  if (column.isNondeterministic || column.type.endsWith('[]')) return false;
  // A type of four bytes that is none of PostgreSQL's own is an enum.
  const isEnum = column.fixedLengthBytes === 4 && column.type !== 'real';
  return isEnum || equalImageTypes.test(column.type);
}

function isComplete(attributes: readonly (IndexAttribute | null)[]): attributes is readonly IndexAttribute[] {
  return attributes.every((attribute) => attribute !== null);
}
