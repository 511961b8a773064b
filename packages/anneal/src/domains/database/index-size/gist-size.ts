import type { BtreeShape } from './btree-size.ts';
import { aligned, meanBytes, tupleSizes } from './index-tuple.ts';
import type { Attribute } from './value-widths.ts';

const usablePageBytes = 8192 - 24 - 16;
const linePointerBytes = 4;
/**
 * Pages that split as tuples come in no order are on average filled to ln 2 (Yao, "On random 2-3 trees", 1978). GiST cuts where the
 * keys part best, not in the middle, which changes how even the pages are but hardly that average.
 */
const randomFillShare = Math.LN2;

/** A GiST index as CREATE INDEX leaves it; `keyBytes` is what the operator class stores in place of the value, null for the value itself. */
export function gistShape(attributes: readonly Attribute[], rows: number): BtreeShape {
  const tupleBytes = meanBytes(tupleSizes(attributes));
  const perPage = Math.max(2, (usablePageBytes * randomFillShare) / (aligned(tupleBytes) + linePointerBytes));
  let [level, pages, height] = [Math.max(1, Math.ceil(rows / perPage)), 0, 0];
  pages = level;
  while (level > 1) {
    level = Math.ceil(level / perPage);
    pages += level;
    height += 1;
  }
  return { pages, height };
}
