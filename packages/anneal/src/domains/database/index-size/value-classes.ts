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
  const common = (statistics.mostCommonFrequencies ?? []).map((share) => ({ values: 1, rowsEach: Math.max(1, share * rows) }));
  const restRows = rows - nullRows - rowsOf(common);
  const restValues = distinctOf(statistics, rows) - common.length;
  // A complete list of common values leaves only the rounding of their frequencies.
  if (restValues < 1) return compress([...nulls, ...common.map(scaled(1 + Math.max(0, restRows) / Math.max(1, rowsOf(common))))]);
  if (restRows < 1) return compress([...nulls, ...common]);
  return compress([...nulls, ...common, ...restClasses(Math.min(restValues, restRows), restRows, common)]);
}

/** PostgreSQL's n_distinct as a count: negative is minus the share of rows. 0 is its word for unknown: then every row is counted. */
export function distinctOf({ distinct, nullShare }: ColumnStatistics, rows: number): number {
  const present = rows * (1 - nullShare);
  if (distinct === 0) return present;
  return Math.min(present, distinct > 0 ? distinct : -distinct * rows);
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

/**
 * Groups of equal pairs when two columns are independent: a pair of values meets by chance, so the rows of one pair are
 * Poisson distributed and pairs that never meet make no group. `distinct` states how many groups there
 * really are, where extended statistics or a unique key know it; null is independence.
 */
export function combineClasses(
  first: readonly ValueClass[],
  second: readonly ValueClass[],
  rows: number,
  distinct: number | null,
): readonly ValueClass[] {
  if (rows <= 0) return [];
  const cells = first.flatMap((a) => second.map((b) => ({ values: a.values * b.values, rowsEach: (a.rowsEach * b.rowsEach) / rows })));
  return compress(settle(cells, distinct === null ? null : Math.min(rows, distinct)));
}

/** The groups left when only a share of the rows, drawn without regard to the value, is kept. */
export function thinClasses(classes: readonly ValueClass[], share: number): readonly ValueClass[] {
  return share >= 1 ? classes : compress(settle(classes.map(scaled(share)), null));
}

/**
 * From cells that rows fall into by chance to the groups that exist. Where the number of groups is known, the same rows are
 * spread over more or fewer cells until it comes out: columns that depend on each other meet in fewer pairs.
 */
function settle(cells: readonly ValueClass[], distinct: number | null): readonly ValueClass[] {
  const groupsAt = (concentration: number) =>
    cells.map(({ values, rowsEach }) => {
      const expected = rowsEach * concentration;
      const groups = (values / concentration) * -Math.expm1(-expected);
      return { values: groups, rowsEach: (values * rowsEach) / groups };
    });
  if (distinct === null) return groupsAt(1);
  const logarithm = solve((power) => valuesOf(groupsAt(2 ** power)), distinct, -60, 60);
  return groupsAt(2 ** logarithm);
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
