import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';

/** So many different values, each of them in so many rows on average. */
export interface ValueClass {
  readonly values: number;
  readonly rowsEach: number;
}

/**
 * How the rows of a column divide into groups of equal values. Most common values are known one by one. The rest
 * is known by its number of values and of rows: where the last common value is about as frequent as the rest's
 * average the rest is even, otherwise it goes on falling as a power of the rank (Zipf's law), with the exponent at
 * which values and rows come out right. The mean alone would hide how many values occur only once, and those cost
 * an index the most per row. NULLs are one more value: B-trees hold them as equals.
 */
export function columnClasses(statistics: ColumnStatistics | null, rows: number): readonly ValueClass[] {
  if (rows <= 0) return [];
  if (statistics === null) return [{ values: rows, rowsEach: 1 }];
  const nullRows = statistics.nullShare * rows;
  const nulls = nullRows > 0 ? [{ values: 1, rowsEach: nullRows }] : [];
  return compress([...nulls, ...presentClasses(statistics, rows, distinctOf(statistics, rows))]);
}

function presentClasses(statistics: ColumnStatistics, rows: number, distinct: number): readonly ValueClass[] {
  const common = (statistics.mostCommonFrequencies ?? []).map((share) => ({ values: 1, rowsEach: Math.max(1, share * rows) }));
  const restRows = rows * (1 - statistics.nullShare) - rowsOf(common);
  const restValues = distinct - common.length;
  // A complete list of common values leaves only the rounding of their frequencies.
  if (restValues < 1) return common.map(scaled(1 + Math.max(0, restRows) / Math.max(1, rowsOf(common))));
  return restRows < 1 ? common : [...common, ...restClasses(Math.min(restValues, restRows), restRows, common)];
}

/** PostgreSQL's n_distinct as a count: negative is minus the share of rows. 0 is its word for unknown: then every row is counted. */
export function distinctOf({ distinct, nullShare }: ColumnStatistics, rows: number): number {
  const present = rows * (1 - nullShare);
  if (distinct === 0) return present;
  return Math.min(present, distinct > 0 ? distinct : -distinct * rows);
}

/**
 * The number of different values without the bias of ANALYZE's estimate. From a sample of n of N rows with d different values, f1 of
 * them seen once, it makes n d / (n - f1 + f1 n / N) (Haas and Stokes; analyze.c), which is too few as soon as values
 * of several rows are often seen once or not at all. What it makes of the classes of a supposed number of values on
 * average can be reckoned, and the number looked for is the one of which it makes what the statistics say.
 *
 * The sample is as many pages as rows, and then rows from those pages (acquire_sample_rows). Where equal values lie side by side
 * this meets a value's rows together or not at all, so the same number of values looks like fewer still.
 */
export function unbiasedStatistics(
  statistics: ColumnStatistics,
  { rows, pages, sampledRows }: { readonly rows: number; readonly pages: number; readonly sampledRows: number },
): ColumnStatistics {
  const stated = distinctOf(statistics, rows);
  const present = rows * (1 - statistics.nullShare);
  // Nothing is estimated where every row was read, where no value was seen twice, or where all values are common ones.
  if (sampledRows >= rows || stated >= present || stated <= (statistics.mostCommonFrequencies?.length ?? 0) + 1) return statistics;
  const isClustered = Math.abs(statistics.correlation ?? 0) > 0.99;
  const pageShare = isClustered ? Math.min(1, sampledRows / Math.max(1, pages)) : 1;
  /** Of the rows of the pages that were read. */
  const share = sampledRows / rows / pageShare;
  const estimateOf = (distinct: number) => {
    let [seen, seenOnce] = [0, 0];
    for (const { values, rowsEach } of presentClasses(statistics, rows, distinct)) {
      for (const size of groupSizes(rowsEach)) {
        const count = values * size.share * pageShare;
        seen += count * -Math.expm1(size.rows * Math.log1p(-share));
        seenOnce += count * size.rows * share * (1 - share) ** (size.rows - 1);
      }
    }
    const sampled = (present * sampledRows) / rows;
    return (sampled * seen) / (sampled - seenOnce + (seenOnce * sampledRows) / rows);
  };
  const shortfall = solve((power) => -estimateOf(stated * (present / stated) ** power), -stated, 0, 1);
  const distinct = stated * (present / stated) ** shortfall;
  return { ...statistics, distinct: statistics.distinct < 0 ? -distinct / rows : distinct };
}

export function rowsOf(classes: readonly ValueClass[]): number {
  return classes.reduce((sum, { values, rowsEach }) => sum + values * rowsEach, 0);
}

export function valuesOf(classes: readonly ValueClass[]): number {
  return classes.reduce((sum, { values }) => sum + values, 0);
}

function scaled(factor: number): (entry: ValueClass) => ValueClass {
  return ({ values, rowsEach }) => ({ values, rowsEach: rowsEach * factor });
}

/** ANALYZE lists a value as common when it is more frequent than the average with some certainty: up to twice the mean an even rest is the simpler reading. */
const evenRatio = 2;

function restClasses(values: number, rows: number, common: readonly ValueClass[]): readonly ValueClass[] {
  const mean = rows / values;
  const last = Math.min(...common.map(({ rowsEach }) => rowsEach));
  if (common.length === 0 || last < evenRatio * mean || mean < 1.01) return [{ values, rowsEach: mean }];
  const rankRatio = 1 + values / common.length;
  // Geometric steps in rank, at whose middle each class has its frequency; no value that exists is in less than one row.
  const steps = 16;
  const classesAt = (exponent: number) =>
    Array.from({ length: steps }, (_, step): ValueClass => {
      const rank = (part: number) => common.length * rankRatio ** (part / steps);
      return { values: rank(step + 1) - rank(step), rowsEach: Math.max(1, last * (rank(step + 0.5) / common.length) ** -exponent) };
    });
  const exponent = solve((exponent) => rowsOf(classesAt(exponent)), rows, 0, 16);
  return classesAt(exponent).map(scaled(rows / rowsOf(classesAt(exponent))));
}

/** What is known of how two columns go together; without it they are independent. */
export interface Dependence {
  /** How many combinations there really are, of extended statistics. */
  readonly distinct: number | null;
  /** Rank correlation of the two. */
  readonly correlation: number;
}

/**
 * Groups of equal pairs of two columns. Rows fall into the cells of the table of all pairs by chance, and a cell that no row falls into is
 * no group: of the larger of its two values' rows, drawn without putting back, none may meet the smaller one's. A rank
 * correlation leaves sqrt(1 - r^2) of the cells, which is what it leaves of a normal distribution's entropy; but
 * there are never fewer pairs than values of either column. `distinct` overrules all that where it is known.
 */
export function combineClasses(
  first: readonly ValueClass[],
  second: readonly ValueClass[],
  rows: number,
  { distinct, correlation }: Dependence,
): readonly ValueClass[] {
  if (rows <= 0) return [];
  const cells = first.flatMap((a) =>
    second.map((b): Cell => {
      const [small, large] = a.rowsEach < b.rowsEach ? [a.rowsEach, b.rowsEach] : [b.rowsEach, a.rowsEach];
      const rate = large >= rows ? Number.POSITIVE_INFINITY : -small * Math.log1p(-large / rows);
      return { values: a.values * b.values, rowsEach: (small * large) / rows, rate };
    }),
  );
  if (distinct !== null) return compress(concentrated(cells, Math.min(rows, distinct)));
  const fewest = Math.min(rows, Math.max(valuesOf(first), valuesOf(second)));
  const groups = occupied(cells, 1 / Math.sqrt(Math.max(1e-12, 1 - correlation ** 2)));
  return compress(valuesOf(groups) < fewest ? concentrated(cells, fewest) : groups);
}

/** The groups left when only a share of the rows, drawn without regard to the value, is kept. */
export function thinClasses(classes: readonly ValueClass[], share: number): readonly ValueClass[] {
  if (share >= 1) return classes;
  return compress(
    occupied(
      classes.map(({ values, rowsEach }): Cell => ({ values, rowsEach: rowsEach * share, rate: -rowsEach * Math.log1p(-share) })),
      1,
    ),
  );
}

/** A place for rows that may stay empty: `rate` is the logarithm of one over the probability of that. */
interface Cell extends ValueClass {
  readonly rate: number;
}

/** The groups that exist when the rows of so many cells come together in one. */
function occupied(cells: readonly Cell[], concentration: number): readonly ValueClass[] {
  return cells.map(({ values, rowsEach, rate }) => {
    const groups = (values / concentration) * -Math.expm1(-rate * concentration);
    return { values: groups, rowsEach: (values * rowsEach) / groups };
  });
}

/** Columns that depend on each other meet in fewer pairs than chance makes: cells are brought together until the number of groups is right. */
function concentrated(cells: readonly Cell[], distinct: number): readonly ValueClass[] {
  return occupied(cells, 2 ** solve((power) => valuesOf(occupied(cells, 2 ** power)), distinct, -60, 60));
}

/** Where a falling function takes the value wanted, by bisection; the nearer end where it never does. */
function solve(falling: (x: number) => number, wanted: number, low: number, high: number): number {
  let [from, to] = [low, high];
  for (let round = 0; round < 60; round += 1) {
    const middle = (from + to) / 2;
    if (falling(middle) > wanted) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

/** Values of about the same frequency (a twelfth of a doubling) become one class, so that combinations of several columns stay few. */
function compress(classes: readonly ValueClass[]): readonly ValueClass[] {
  const byFrequency = new Map<number, ValueClass>();
  for (const entry of classes) {
    if (!(entry.values > 0 && entry.rowsEach > 0)) continue;
    const key = Math.round(Math.log2(entry.rowsEach) * 4);
    const known = byFrequency.get(key);
    const values = (known?.values ?? 0) + entry.values;
    byFrequency.set(key, { values, rowsEach: ((known?.values ?? 0) * (known?.rowsEach ?? 0) + entry.values * entry.rowsEach) / values });
  }
  return [...byFrequency.values()];
}

/** A possible size of a group and how likely it is. */
export interface GroupSize {
  readonly rows: number;
  readonly share: number;
}

/**
 * Sizes of the groups of one class. Rows meet values by chance, so they are Poisson distributed, without the
 * zero: a value in no row is no value. Large groups vary little against their size, and five points of the normal curve are enough.
 */
export function groupSizes(mean: number): readonly GroupSize[] {
  if (mean < 1.0001) return [{ rows: 1, share: 1 }];
  if (mean > 40) return normalSpread.map(([deviations, share]) => ({ rows: Math.round(mean + deviations * Math.sqrt(mean)), share }));
  const rate = solve((negative) => -negative / -Math.expm1(negative), mean, -mean, -1e-9);
  const sizes: GroupSize[] = [];
  let probability = Math.exp(rate) / -Math.expm1(rate);
  for (let rows = 1; rows <= mean + 8 * Math.sqrt(mean) + 8; rows += 1) {
    probability *= -rate / rows;
    sizes.push({ rows, share: probability });
  }
  return sizes;
}

/** Gauss-Hermite nodes and weights of order five. */
const normalSpread: readonly (readonly [number, number])[] = [
  [-2.857, 0.01126],
  [-1.3556, 0.22208],
  [0, 0.53332],
  [1.3556, 0.22208],
  [2.857, 0.01126],
];
