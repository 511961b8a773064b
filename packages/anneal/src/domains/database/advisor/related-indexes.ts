import { parseIndexKey } from '../index-ddl.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';

/** Columns an entry holds, payload included. */
export function widthOf({ keys, include }: IndexDefinition): number {
  return keys.length + include.length;
}

/** Shorter indexes that still find what the beginning of this one finds: fewer bytes, more statements that share it. */
export function prefixesOf(definition: IndexDefinition): readonly IndexDefinition[] {
  if (definition.method !== 'btree') return [];
  const shorter = definition.keys.slice(1).map((_, at) => ({ ...definition, keys: definition.keys.slice(0, at + 1), include: [] }));
  return definition.include.length === 0 ? shorter : [...shorter, { ...definition, include: [] }];
}

/**
 * One index for what two serve: the first keeps its order, the second's columns follow (Chaudhuri and Narasayya,
 * "Index Merging", ICDE 1999). Null where that is no B-tree over the same rows, nothing new, or wider than `width`.
 */
export function mergeOf(first: IndexDefinition, second: IndexDefinition, width: number): IndexDefinition | null {
  if (first.method !== 'btree' || second.method !== 'btree' || first.predicate !== second.predicate) return null;
  if (first.schema !== second.schema || first.table !== second.table) return null;
  const held = new Set(first.keys.map(expressionOf));
  const keys = [...first.keys, ...second.keys.filter((key) => !held.has(expressionOf(key)))];
  const keyed = new Set(keys.map(expressionOf));
  const include = [...new Set([...first.include, ...second.include])].filter((column) => !keyed.has(quoteIdentifier(column)));
  const merged = { ...first, keys, include };
  const isNew = keys.length > first.keys.length || include.length > first.include.length;
  return isNew && widthOf(merged) <= width ? merged : null;
}

/** All prefixes and merges of the given, themselves left out. */
export function relatedIndexes(definitions: readonly IndexDefinition[], width: number): readonly IndexDefinition[] {
  const withPrefixes = [...definitions, ...definitions.flatMap(prefixesOf)];
  const merges = withPrefixes.flatMap((first) => withPrefixes.map((second) => mergeOf(first, second, width)));
  return [...definitions.flatMap(prefixesOf), ...merges.filter((merge) => merge !== null)];
}

export function expressionOf(key: string): string {
  return parseIndexKey(key).expression;
}
