import { qualifiedName, quoteIdentifier } from '../../../ports/index-sql.ts';
import type { Expression, Query, Source } from '../../../ports/sql-tree.ts';

/** What a SELECT names beside columns: whatever it does to the world or takes from it is in one of these. */
export interface NamesUsed {
  readonly functions: readonly string[];
  readonly operators: readonly string[];
  /** As SQL, schema where the text has one; those of CTEs are no tables. */
  readonly tables: readonly string[];
  /** CURRENT_TIMESTAMP, CURRENT_USER and their like. */
  readonly keywords: readonly string[];
  readonly textConstants: readonly string[];
  readonly locks: boolean;
}

type Node = Query | Expression | Source;

/** Of every level: the tree is one of plain values, so that nothing in it can be overlooked. */
export function namesUsed(query: Query): NamesUsed {
  const nodes = nodesIn(query);
  const queries = nodes.filter((node) => node.kind === 'select' || node.kind === 'combined');
  const common = new Set(queries.flatMap((level) => level.with.map(({ name }) => name)));
  const found = <Kind extends Node['kind']>(kind: Kind) =>
    nodes.filter((node): node is Extract<Node, { kind: Kind }> => node.kind === kind);
  return {
    functions: distinct(found('function').map(({ name }) => name)),
    operators: distinct([...found('operation'), ...found('quantified')].map(({ operator }) => operator)),
    tables: distinct(
      found('table')
        .filter(({ schema, name }) => schema !== null || !common.has(name))
        .map(({ schema, name }) => (schema === null ? quoteIdentifier(name) : qualifiedName(schema, name))),
    ),
    keywords: distinct(found('keyword').map(({ sql }) => sql)),
    textConstants: found('constant').flatMap(({ type, value }) => (type === 'text' ? [value] : [])),
    locks: found('select').some(({ locking }) => locking.length > 0),
  };
}

function nodesIn(value: unknown): readonly Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.values(value).flatMap(nodesIn);
  return 'kind' in value ? [value as Node, ...inside] : inside;
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
