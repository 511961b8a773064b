import type { IndexAttribute } from './index-attributes.ts';
import { aligned } from './index-tuple.ts';
import { type EntryClass, invertedEntries } from './inverted-entries.ts';
import type { TableStatistics } from './table-statistics.ts';
import { groupSizes, rowsOf, valuesOf } from './value-classes.ts';

/** Facts of a GIN page: src/include/access/ginblock.h and ginpostinglist.c. */
const linePointerBytes = 4;
const entryPageBytes = 8192 - 24 - 8;
const postingPageBytes = 8192 - 24 - 8 - 8;
/** A list of places longer than a third of a page moves to pages of its own. */
const longestEntryBytes = 2712;
/** A segment begins with a whole place and its own length; it is closed at 256 bytes. */
const segmentHeaderBytes = 8;
const segmentBytes = 256;
/** Children of an inner page of a posting tree. */
const placesPerInnerPage = 815;
/** A GIN index as CREATE INDEX leaves it: meta page, tree of entries, and a tree of places for each frequent entry. */
export function ginPages(keys: readonly IndexAttribute[], table: TableStatistics, rows: number): GinShape {
  const rowsPerPage = Math.max(1, table.rows / Math.max(1, table.pages));
  const each = keys.map((key) => invertedEntries(key, table, rows));
  // An entry of a multicolumn index also says which column it is of.
  const columnBytes = keys.length > 1 ? 2 : 0;
  const sizes = each.map(({ classes }) => sizeOf(classes, { rows: table.rows, rowsPerPage, columnBytes }));
  const entryBytes = sizes.reduce((sum, size) => sum + size.entryBytes, 0);
  const entries = sizes.reduce((sum, size) => sum + size.entries, 0);
  const postingPages = sizes.reduce((sum, size) => sum + size.postingPages, 0);
  const leaves = entryPages(entryBytes, entryBytes / Math.max(1, entries));
  const separatorBytes = aligned(8 + columnBytes + Math.max(...each.map(({ classes }) => meanKeyBytes(classes)))) + linePointerBytes;
  let [level, pages] = [leaves, leaves];
  while (level > 1) {
    level = entryPages(level * separatorBytes, separatorBytes);
    pages += level;
  }
  return {
    pages: 1 + pages + Math.round(postingPages),
    entriesPerRow: rowsOf(each.flatMap(({ classes }) => classes)) / Math.max(1, rows),
    assumptions: each.flatMap(({ assumptions }) => assumptions),
  };
}

/**
 * A build inserts entries in order, and a page that overflows is cut behind the tuple that passes its middle; what lies
 * left of the cut is never filled again (entrySplitPage). A cut page holds half of a page and of the tuple too many, and half a tuple on
 * average beyond the middle.
 */
function entryPages(bytes: number, tupleBytes: number): number {
  return bytes <= entryPageBytes ? 1 : Math.ceil(bytes / (entryPageBytes / 2 + tupleBytes));
}

export interface GinShape {
  readonly pages: number;
  readonly entriesPerRow: number;
  readonly assumptions: readonly string[];
}

interface Table {
  readonly rows: number;
  readonly rowsPerPage: number;
  readonly columnBytes: number;
}

function sizeOf(classes: readonly EntryClass[], { rows, rowsPerPage, columnBytes }: Table) {
  let [entryBytes, postingPages] = [0, 0];
  for (const { values, rowsEach, keyBytes } of classes) {
    const perPlace = placeBytes(Math.min(1, rowsEach / Math.max(1, rows)), rowsPerPage);
    // The list begins where the key's tuple, aligned as any other, ends; then the whole is aligned again (GinFormTuple).
    const key = aligned(8 + columnBytes + keyBytes);
    for (const group of groupSizes(rowsEach)) {
      const inline = aligned(key + segmentHeaderBytes + (group.rows - 1) * perPlace);
      if (inline <= longestEntryBytes) entryBytes += values * group.share * (inline + linePointerBytes);
      else {
        const perSegment = 1 + (segmentBytes - segmentHeaderBytes) / perPlace;
        const leaves = Math.ceil(((group.rows / perSegment) * segmentBytes) / postingPageBytes);
        entryBytes += values * group.share * (key + linePointerBytes);
        postingPages += values * group.share * (leaves + (leaves > 1 ? Math.ceil(leaves / placesPerInnerPage) : 0));
      }
    }
  }
  return { entryBytes, entries: valuesOf(classes), postingPages };
}

function meanKeyBytes(classes: readonly EntryClass[]): number {
  return classes.reduce((sum, { values, keyBytes }) => sum + values * keyBytes, 0) / Math.max(1e-9, valuesOf(classes));
}

/**
 * Mean bytes of a place: the distance from the one before, in steps of 2048 per heap page and one per row, 7 bits a byte. An entry
 * in a share of the rows, at random, has the next one on the same page, within 8 pages, within 1,024, or further.
 *
 * Rows of one entry that were written together lie together, in one byte each. Statistics know the order of whole values but not of
 * their parts, and of a hash not even that: such an index turns out smaller than said, half as large at worst.
 */
function placeBytes(share: number, rowsPerPage: number): number {
  const gapPages = 1 / Math.max(share * rowsPerPage, 1e-12);
  const beyond = (pages: number) => gapPages * (Math.exp(-(pages - 1) / gapPages) - Math.exp(-pages / gapPages));
  return 1 + beyond(1) + beyond(8) + beyond(1024) + beyond(131_072);
}
