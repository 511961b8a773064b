import type { BtreeShape } from './btree-size.ts';
import type { IndexAttribute } from './index-attributes.ts';
import { aligned, meanBytes, tupleSizes } from './index-tuple.ts';
import { invertedEntries } from './inverted-entries.ts';
import type { TableStatistics } from './table-statistics.ts';
import type { Attribute } from './value-widths.ts';

const usablePageBytes = 8192 - 24 - 16;
const linePointerBytes = 4;

/** A GiST index as CREATE INDEX leaves it. */
export function gistShape(
  keys: readonly IndexAttribute[],
  attributes: readonly Attribute[],
  table: TableStatistics,
  rows: number,
): BtreeShape {
  const stored = keys.map((key, at) => storedKey(key, attributes[at]!, table, rows));
  const fillShare = Math.min(...keys.map((key) => fillShareOf(key, table.versionNumber)));
  const perPage = (tuples: readonly Attribute[]) =>
    Math.max(2, (usablePageBytes * fillShare) / (aligned(meanBytes(tupleSizes(tuples))) + linePointerBytes));
  const perInnerPage = perPage(stored.map(({ inner }) => inner));
  let [level, height] = [Math.max(1, Math.ceil(rows / perPage(stored.map(({ leaf }) => leaf)))), 0];
  let pages = level;
  while (level > 1) {
    level = Math.ceil(level / perInnerPage);
    pages += level;
    height += 1;
  }
  return { pages, height };
}

/**
 * How full pages are. Where every key can be sorted the index is built from sorted rows: full pages for what has one dimension,
 * two thirds for points, because the four pages that are collected at a time are divided anew into six. Elsewhere rows are inserted one by one
 * and pages split; in no order that leaves ln 2 (Yao, "On random 2-3 trees", 1978). Boxes split where
 * they overlap least, not in the middle. The shares of points, boxes (0.45 to 0.59 by how they lie), addresses and lexemes are measured on PostgreSQL 18.
 */
function fillShareOf({ column, operatorClass }: IndexAttribute, versionNumber: number): number {
  if (column.type === 'point') return versionNumber >= 140_000 ? 2 / 3 : Math.LN2;
  if (/^(?:box|circle|polygon)$/u.test(column.type)) return 0.52;
  if (operatorClass === 'inet_ops') return 0.6;
  if (column.type === 'tsvector') return 0.85;
  if (operatorClass === 'gist_trgm_ops') return Math.LN2;
  return versionNumber >= 180_000 ? 1 : Math.LN2;
}

interface StoredKey {
  readonly leaf: Attribute;
  readonly inner: Attribute;
}

/** A signature that stands for a set of words or trigrams: 124 bytes of bits, 12 for trigrams (SIGLEN), and a header. */
const wordSignatureBytes = 124 + 8;
const trigramSignatureBytes = 12 + 5;

/** What the operator class keeps in place of the value. */
function storedKey(key: IndexAttribute, attribute: Attribute, table: TableStatistics, rows: number): StoredKey {
  const of = (bytes: number, isVariable: boolean): Attribute => ({ ...attribute, widths: [{ bytes, share: 1 }], isVariable });
  const same = (stored: Attribute): StoredKey => ({ leaf: stored, inner: stored });
  const { type, fixedLengthBytes } = key.column;
  const perRow = () => {
    const { classes } = invertedEntries(
      { ...key, operatorClass: key.operatorClass === 'gist_trgm_ops' ? 'gin_trgm_ops' : null },
      table,
      rows,
    );
    return classes.reduce((sum, { values, rowsEach }) => sum + values * rowsEach, 0) / Math.max(1, rows);
  };
  if (/^(?:point|box|circle|polygon)$/u.test(type)) return same({ ...of(32, false), alignment: 'd' });
  if (key.operatorClass === 'gist_trgm_ops') return { leaf: of(5 + 3 * perRow(), true), inner: of(trigramSignatureBytes, true) };
  if (type === 'tsvector') return { leaf: of(Math.min(8 + 4 * perRow(), wordSignatureBytes), true), inner: of(wordSignatureBytes, true) };
  if (key.operatorClass === 'inet_ops') return same(of(8, true));
  // btree_gist keeps the two ends of a range of values, also where it is one value.
  return fixedLengthBytes > 0 && !type.endsWith('range') ? same(of(2 * fixedLengthBytes, false)) : same(attribute);
}
