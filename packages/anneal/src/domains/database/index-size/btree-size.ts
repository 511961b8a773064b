import { aligned } from './index-tuple.ts';
import { type ValueClass, groupSizes } from './value-classes.ts';
import type { Width } from './value-widths.ts';

/** Facts of a B-tree page: PostgreSQL's src/include/access/nbtree.h and storage/bufpage.h; the manual, 65.1.4. */
const pageBytes = 8192;
const linePointerBytes = 4;
/** A page's 24 bytes of header and 16 of B-tree data, and the line pointers of its high key and of the tuple about to come. */
const emptyPageBytes = pageBytes - 24 - 16 - 2 * linePointerBytes;
/** Room for a row's place, which the high key of a leaf may need. */
const placeBytes = 8;
/** 90 on leaves; pages above are filled to 70 whatever the index asks for. */
export const defaultFillFactor = 90;
const innerFillFactor = 70;
/** A build lets no posting list outgrow a tenth of a page less its line pointer (_bt_load), 812 bytes, aligned 808; every place in it takes 6. */
const longestPostingBytes = 808;
const postingEntryBytes = 6;
/** The leftmost tuple of a page above the leaves stands for minus infinity and holds no key. */
const minusInfinityBytes = 8;

/** Rows of one kind. */
export interface BtreeStratum {
  /** Sizes of the tuples, aligned. */
  readonly tuples: readonly Width[];
  /** Rows by how often their key occurs. */
  readonly groups: readonly ValueClass[];
}

export interface BtreeContent {
  readonly strata: readonly BtreeStratum[];
  readonly isDeduplicated: boolean;
  /** Size of the tuples above the leaves, cut to what tells two pages apart, by how many leaf tuples there are. */
  readonly pivotBytes: (leafTuples: number) => number;
  readonly fillFactor: number;
}

export interface BtreeShape {
  readonly pages: number;
  /** Levels above the leaves: what a search descends. */
  readonly height: number;
}

/** A B-tree as CREATE INDEX leaves it: sorted, deduplicated, every page filled to its factor. */
export function btreeShape({ strata, isDeduplicated, pivotBytes, fillFactor }: BtreeContent): BtreeShape {
  const runs = isDeduplicated ? deduplicated(strata) : [strata.flatMap(plain)];
  const leafTuples = runs.flat().reduce((sum, { count }) => sum + count, 0);
  // Without rows there is a meta page and nothing else.
  if (leafTuples === 0) return { pages: 1, height: 0 };
  const leaves = runs.reduce((sum, items) => sum + leafPages(items, fillFactor), 0);
  const fanOut = innerTuples(pivotBytes(leafTuples));
  let [level, pages, height] = [Math.ceil(leaves), Math.ceil(leaves), 0];
  while (level > 1) {
    level = Math.ceil(level / fanOut);
    pages += level;
    height += 1;
  }
  return { pages: pages + 1, height };
}

/** So many leaf tuples of one size; `listBytes` is how much of it is a list of places, which a high key does without. */
interface Items {
  readonly count: number;
  readonly bytes: number;
  readonly listBytes: number;
}

function plain({ groups, tuples }: BtreeStratum): readonly Items[] {
  const rows = groups.reduce((sum, { values, rowsEach }) => sum + values * rowsEach, 0);
  return tuples.map(({ bytes, share }) => ({ count: rows * share, bytes, listBytes: 0 }));
}

/**
 * Equal keys become posting lists: one key, then the place of each row. A group beyond the longest list makes several full ones
 * and one with the remainder; a remainder of one row is an ordinary tuple. Full lists that follow each other over
 * pages fill them evenly, so they are kept apart from what is mixed.
 */
function deduplicated(strata: readonly BtreeStratum[]): readonly (readonly Items[])[] {
  const runs: (readonly Items[])[] = [];
  const mixed = new Map<string, Items>();
  const mix = (item: Items) => {
    const key = `${item.bytes}|${item.listBytes}`;
    mixed.set(key, { ...item, count: (mixed.get(key)?.count ?? 0) + item.count });
  };
  const classes = strata.flatMap(({ tuples, groups }) => groups.map((group) => ({ ...group, tuples })));
  for (const { values, rowsEach, tuples } of classes) {
    const sizes = groupSizes(rowsEach);
    // Whole numbers of rows do not average to the class's mean exactly, and the rows are what is certain.
    const correction = rowsEach / sizes.reduce((sum, { rows, share }) => sum + rows * share, 0);
    for (const { bytes: keyBytes, share: widthShare } of tuples) {
      const listOf = (count: number, rows: number): Items => {
        const bytes = rows === 1 ? keyBytes : aligned(keyBytes + rows * postingEntryBytes);
        return { count, bytes, listBytes: bytes - keyBytes };
      };
      const longest = Math.max(1, Math.floor((longestPostingBytes - keyBytes) / postingEntryBytes));
      for (const { rows, share } of sizes) {
        const count = values * widthShare * share * correction;
        const [full, remainder] = [Math.floor(rows / longest), rows % longest];
        const lists = listOf(count * full, longest);
        if (full * lists.bytes > 2 * pageBytes) runs.push([lists]);
        else if (full > 0) mix(lists);
        if (remainder > 0) mix(listOf(count, remainder));
      }
    }
  }
  return mixed.size > 0 ? [...runs, [...mixed.values()]] : runs;
}

/**
 * A page is full when the tuples on it pass the fill factor; the one that passed it moves to the next page. Tuples of one
 * size fill every page alike. Where sizes differ, the room left over is on average half a tuple, as a page end meets
 * large tuples more often than small ones (the renewal theorem: E[s^2] / 2E[s], here in steps of 8 bytes).
 */
function leafPages(items: readonly Items[], fillFactor: number): number {
  const count = items.reduce((sum, item) => sum + item.count, 0);
  const mean = (of: (item: Items) => number) => items.reduce((sum, item) => sum + of(item) * item.count, 0) / count;
  const size = ({ bytes }: Items) => bytes + linePointerBytes;
  const [meanSize, meanSquare, meanList] = [mean(size), mean((item) => size(item) ** 2), mean(({ listBytes }) => listBytes)];
  const wanted = emptyPageBytes - Math.floor((pageBytes * (100 - fillFactor)) / 100);
  // The list of the last tuple is not counted as used, but the next one must fit at all.
  const limit = Math.min(wanted + meanList, emptyPageBytes - placeBytes - (meanSize - linePointerBytes));
  const variance = meanSquare - meanSize ** 2;
  const used =
    variance < 1 ? Math.max(1, Math.floor(limit / meanSize)) * meanSize : Math.max(meanSize, limit - meanSquare / (2 * meanSize) + 4);
  return (count * meanSize) / used;
}

function innerTuples(pivotBytes: number): number {
  const limit = emptyPageBytes - Math.floor((pageBytes * (100 - innerFillFactor)) / 100);
  return Math.max(2, 1 + Math.floor((limit - minusInfinityBytes - linePointerBytes) / (pivotBytes + linePointerBytes)));
}
