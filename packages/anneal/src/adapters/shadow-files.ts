import { closeSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';

/** BLCKSZ and RELSEG_SIZE of PGlite's build: `SHOW block_size`, `SHOW segment_size`. */
export const pageBytes = 8192;
const segmentPages = 131_072;

/**
 * Gives a relation's file the length of so many pages, without writing any: the planner reads the length only
 * (`RelationGetNumberOfBlocks`), so holes will do. Beyond 1 GB PostgreSQL continues in `<file>.1`, `<file>.2` ...
 * Never shortens the first segment, whose first pages the access method has written.
 */
export function extendRelation(path: string, pages: number): void {
  const segments = Math.max(1, Math.ceil(pages / segmentPages));
  for (let at = 0; at < segments; at += 1) {
    const file = at === 0 ? path : `${path}.${at}`;
    if (at > 0) writeFileSync(file, '');
    truncateSync(file, Math.min(segmentPages, pages - at * segmentPages) * pageBytes);
  }
}

/** Offsets in a page's header and in BTMetaPageData behind it (bufpage.h, nbtree.h). */
const headerBytes = 24;
const specialBytes = 16;
const meta = { root: headerBytes + 8, level: headerBytes + 12, fastRoot: headerBytes + 16, fastLevel: headerBytes + 20 } as const;
const pageVersion = pageBytes | 4;
const leafFlag = 1;
const rootFlag = 2;
const itemIsNormal = 1 << 15;
/** The item of an internal page that stands for "less than everything": a tuple header and no key (nbtree.h, pivot tuples). */
const emptyPivotBytes = 8;
const alternativeTupleId = 0x2000;

/**
 * Turns the just-built empty B-tree into one of this height: a chain of pages with one child each, down to a leaf
 * without entries. The planner charges every level of the descent (btcostestimate reads `btm_fastlevel`) and may walk
 * down to the end of the index for a column's extreme value (get_actual_variable_range); then it finds none and
 * uses the histogram. A height of -1 is HypoPG's "not known", with which no page of the descent is charged: a root whose level is the
 * largest there is, above one leaf. Must be called before the index was ever read, while its pages are in no buffer.
 */
export function raiseBtree(path: string, height: number): void {
  const file = openSync(path, 'r+');
  try {
    const page = Buffer.alloc(pageBytes);
    readSync(file, page, 0, pageBytes, 0);
    page.writeUInt32LE(1, meta.root);
    page.writeInt32LE(height, meta.level);
    page.writeUInt32LE(1, meta.fastRoot);
    page.writeInt32LE(height, meta.fastLevel);
    writeSync(file, page, 0, pageBytes, 0);
    const levels = height < 0 ? [height, 0] : Array.from({ length: height + 1 }, (_, depth) => height - depth);
    for (const [depth, level] of levels.entries()) {
      const block = depth + 1;
      writeSync(file, chainPage({ level, isRoot: depth === 0, child: block + 1 }), 0, pageBytes, block * pageBytes);
    }
  } finally {
    closeSync(file);
  }
}

function chainPage({ level, isRoot, child }: { readonly level: number; readonly isRoot: boolean; readonly child: number }): Buffer {
  const page = Buffer.alloc(pageBytes);
  const special = pageBytes - specialBytes;
  const item = special - emptyPivotBytes;
  const isLeaf = level === 0;
  page.writeUInt16LE(isLeaf ? headerBytes : headerBytes + 4, 12); // pd_lower
  page.writeUInt16LE(isLeaf ? special : item, 14); // pd_upper
  page.writeUInt16LE(special, 16); // pd_special
  page.writeUInt16LE(pageVersion, 18);
  page.writeInt32LE(level, special + 8);
  page.writeUInt16LE((isLeaf ? leafFlag : 0) | (isRoot ? rootFlag : 0), special + 12);
  if (!isLeaf) {
    page.writeUInt32LE(item | itemIsNormal | (emptyPivotBytes << 17), headerBytes);
    page.writeUInt16LE(child >>> 16, item);
    page.writeUInt16LE(child & 0xffff, item + 2);
    page.writeUInt16LE(emptyPivotBytes | alternativeTupleId, item + 6);
  }
  return page;
}
