import { rowsOf, type ValueClass, valuesOf } from './value-classes.ts';

/** A tuple is its header and the key's 32-bit hash, each aligned to 8, and a line pointer (_hash_init). */
const tupleBytes = 8 + 8 + 4;
const pageBytes = 8192;
const defaultFillFactor = 75;
/** What a page holds behind its 24 bytes of header and 16 of hash data. */
const tuplesPerPage = Math.floor((pageBytes - 24 - 16) / tupleBytes);
/** A build makes as many buckets as fill to the factor, three quarters of a page. */
const tuplesPerBucket = Math.floor((pageBytes * defaultFillFactor) / 100 / tupleBytes);
/** Meta page and the first page of the bitmap of overflow pages. */
const fixedPages = 2;

/**
 * A hash index as CREATE INDEX leaves it. Buckets are made beforehand for all rows of the table, whatever a predicate leaves out; rows of
 * equal keys share a bucket, and what passes a page overflows into further ones. NULLs are not held.
 */
export function hashPages(tableRows: number, groups: readonly ValueClass[]): number {
  const buckets = bucketsFor(Math.max(tableRows / tuplesPerBucket, 2));
  return fixedPages + buckets + overflowPages(groups, Math.max(buckets, rowsOf(groups) / tuplesPerBucket));
}

/**
 * Buckets come in groups that double; from the tenth doubling on, each doubling is made in four steps
 * (src/backend/access/hash/README, "splitpoint phases").
 */
function bucketsFor(wanted: number): number {
  let buckets = 2;
  while (buckets < wanted) {
    const doubling = Math.log2(buckets);
    const base = 2 ** Math.floor(doubling);
    buckets += base >= 512 ? base / 4 : base;
  }
  return buckets;
}

/**
 * Values fall into buckets by chance. Those that fill pages are followed one by one: each lies in its bucket on top of what else lies
 * there. How many more rows than a page a bucket gets of the infrequent ones is the tail of a normal curve.
 */
function overflowPages(groups: readonly ValueClass[], buckets: number): number {
  const isFrequent = ({ rowsEach }: ValueClass) => rowsEach > 2 * tuplesPerPage;
  const [frequent, infrequent] = [groups.filter(isFrequent), groups.filter((group) => !isFrequent(group))];
  const mean = rowsOf(infrequent) / buckets;
  const deviation = Math.sqrt(infrequent.reduce((sum, { values, rowsEach }) => sum + values * rowsEach ** 2, 0) / buckets);
  const others = (load: number) => expectedOverflow(load, deviation);
  const occupied = buckets * -Math.expm1(-valuesOf(frequent) / buckets);
  const perBucket = valuesOf(frequent) / Math.max(occupied, 1e-9);
  const ofFrequent = frequent.reduce((sum, { values, rowsEach }) => {
    return sum + (values / perBucket) * others(mean + rowsEach * perBucket);
  }, 0);
  return Math.round(ofFrequent + Math.max(0, buckets - occupied) * others(mean));
}

/** Pages beyond the first that a bucket of so many rows needs: each further page is needed when the rows pass what lies before it. */
function expectedOverflow(meanRows: number, deviation: number): number {
  // Six deviations below the mean every page is certain.
  let pages = Math.max(1, Math.floor((meanRows - 6 * deviation) / tuplesPerPage));
  let expected = pages - 1;
  for (; ; pages += 1) {
    const probability = 1 - normalDistribution((pages * tuplesPerPage + 0.5 - meanRows) / Math.max(deviation, 1e-9));
    expected += probability;
    if (probability < 1e-6) return expected;
  }
}

/** The logistic approximation of the normal distribution, within 0.01 (Bowling et al. 2009). */
function normalDistribution(z: number): number {
  return 1 / (1 + Math.exp(-0.07056 * z ** 3 - 1.5976 * z));
}
