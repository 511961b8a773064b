import { BatchedKey } from './batched-key.ts';
import { keyOf, valueKey } from './pg-calls.ts';

export type Row = Readonly<Record<string, unknown>>;
type Values = readonly unknown[];

/** So few keys at once cost next to nothing more than one; beyond, only the age of what is fetched ahead grows. */
export const mostKeysAtOnce = 256;

/** Fewer distinct values are in a wrong column by chance too often: small integers are everywhere (`fewestValues` of parent.ts). */
const fewestUnordered = 3;

/** From which columns of an earlier result a statement's parameters come. */
export interface ParameterSource {
  /** By parameter; null where it stays the same from call to call. */
  readonly columns: readonly (string | null)[];
  /** The calls go through the rows in their order, so that what lies behind will not be asked for. */
  readonly ordered: boolean;
}

/**
 * Learns it from consecutive calls (oldest first) and a result from before them: from two whose values stand in rows that follow
 * each other, from three in any order. Null when no column has them.
 */
export function findSource(calls: readonly Values[], rows: readonly Row[]): ParameterSource | null {
  const latest = calls.at(-1);
  const first = rows[0];
  if (latest === undefined || calls.length < 2 || first === undefined) return null;
  const names = Object.keys(first);
  const columns: (string | null)[] = [];
  let ordered = true;
  for (let index = 0; index < latest.length; index += 1) {
    const keys = calls.map((values) => valueKey(values[index]));
    if (new Set(keys).size === 1) {
      columns.push(null);
      continue;
    }
    const found = columnWith(keys, names, rows);
    if (found === null) return null;
    columns.push(found.name);
    ordered &&= found.inOrder;
  }
  return columns.every((column) => column === null) ? null : { columns, ordered };
}

function columnWith(keys: readonly (string | null)[], names: readonly string[], rows: readonly Row[]) {
  let unordered: string | null = null;
  for (const name of names) {
    const places = distinctPlaces(rows, name);
    const at = keys.map((key) => (key === null ? undefined : places.get(key)));
    if (at.includes(undefined)) continue;
    if (at.every((place, index) => index === 0 || place === at[index - 1]! + 1)) return { name, inOrder: true };
    if (new Set(keys).size >= fewestUnordered) unordered ??= name;
  }
  return unordered === null ? null : { name: unordered, inOrder: false };
}

/** Each value's number among the column's different values, in the order of their first rows. */
function distinctPlaces(rows: readonly Row[], column: string): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const row of rows) {
    const key = valueKey(row[column]);
    if (key !== null && !places.has(key)) places.set(key, places.size);
  }
  return places;
}

/** Where in the rows a call's parameters stand; -1 where they do not. */
export function placeOf(values: Values, rows: readonly Row[], { columns }: ParameterSource): number {
  const keys = values.map(valueKey);
  return rows.findIndex((row) => columns.every((column, index) => column === null || valueKey(row[column]) === keys[index]));
}

/**
 * The parameters of the call at hand, then those that its successors will have, each once; by key. Those that `isKnown`
 * says are at hand already are left out.
 */
export function parametersAhead(
  values: Values,
  key: string,
  place: number,
  rows: readonly Row[],
  { columns, ordered }: ParameterSource,
  isKnown: (key: string) => boolean,
): Map<string, BatchedKey> {
  const ahead = new Map([[key, new BatchedKey(values)]]);
  const upTo = ordered ? rows.length : place + rows.length;
  for (let index = place; index < upTo && ahead.size < mostKeysAtOnce; index += 1) {
    const row = rows[index % rows.length]!;
    const next = columns.map((column, parameter) => (column === null ? values[parameter] : row[column]));
    const nextKey = keyOf(next);
    if (nextKey !== null && !ahead.has(nextKey) && !isKnown(nextKey)) ahead.set(nextKey, new BatchedKey(next));
  }
  return ahead;
}
