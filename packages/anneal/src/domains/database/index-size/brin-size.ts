const pageBytes = 8192;
/** pages_per_range, unless the index says otherwise. */
const heapPagesPerRange = 128;
/** Places that a page of the range map holds (REVMAP_PAGE_MAXITEMS). */
const placesPerMapPage = 1360;

/** A BRIN index: a meta page, the map from ranges of heap pages to their summaries, and the summaries, of `summaryBytes` each. */
export function brinPages(heapPages: number, summaryBytes: number): number {
  const ranges = Math.max(1, Math.ceil(heapPages / heapPagesPerRange));
  const perPage = Math.max(1, Math.floor((pageBytes - 24 - 8) / (summaryBytes + 4)));
  return 1 + Math.ceil(ranges / placesPerMapPage) + Math.ceil(ranges / perPage);
}
