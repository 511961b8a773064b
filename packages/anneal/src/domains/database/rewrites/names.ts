import type { ColumnObservation } from '../../../measurement/observations.ts';
import {
  type ColumnExpression,
  type Expression,
  type SelectQuery,
  type SortKey,
  type Source,
  type Target,
  withOperands,
} from '../../../ports/sql-tree.ts';
import { resolveTable, type SchemaFacts } from '../index-candidates.ts';
import { isColumn, parseIndexKey } from '../index-ddl.ts';
import { isSame, parts } from './build.ts';
import type { Refused } from './rewrite.ts';

/** A table under the name that one level of a query gives it. */
export interface NamedTable {
  readonly label: string;
  readonly columns: readonly ColumnObservation[];
  /** Sets of columns that no two rows share and that are never NULL. */
  readonly keys: readonly (readonly string[])[];
  /** On the side of an outer join that may be missing. */
  readonly optional: boolean;
}

/**
 * What the level's names mean, or why that is not known: derived tables, CTEs, views and tables that the catalogue's
 * reading does not hold. Without it no column could be said to belong anywhere. `outer`: the level around, whose CTEs hide tables.
 */
export function namesOf(query: SelectQuery, facts: SchemaFacts, outer?: SelectQuery): readonly NamedTable[] | Refused {
  const hidden = new Set([...query.with, ...(outer?.with ?? [])].map(({ name }) => name));
  const found: NamedTable[] = [];
  for (const { source, optional } of query.from.flatMap((item) => leaves(item, false))) {
    if (source.kind !== 'table') return { refused: 'it reads from a subquery' };
    const table = hidden.has(source.name) && source.schema === null ? null : resolveTable(source, facts);
    if (table === null) return { refused: `${source.name} is not a table the catalogue told of` };
    const columns = facts.columns.filter(({ schema, table: name }) => schema === table.schema && name === table.name);
    const label = source.alias ?? source.name;
    if (found.some((other) => other.label === label)) return { refused: `two tables are called ${label}` };
    found.push({ label, columns, keys: keysOf(table, columns, facts), optional });
  }
  return found;
}

interface Leaf {
  readonly source: Exclude<Source, { kind: 'join' }>;
  readonly optional: boolean;
}

export function leaves(source: Source, optional: boolean): readonly Leaf[] {
  if (source.kind !== 'join') return [{ source, optional }];
  const { type, left, right } = source;
  return [
    ...leaves(left, optional || type === 'RIGHT' || type === 'FULL'),
    ...leaves(right, optional || type === 'LEFT' || type === 'FULL'),
  ];
}

function keysOf(
  table: { readonly schema: string; readonly name: string },
  columns: readonly ColumnObservation[],
  facts: SchemaFacts,
): readonly (readonly string[])[] {
  return (
    facts.indexes
      .filter(({ definition, unique, valid }) => {
        return unique && valid && definition.schema === table.schema && definition.table === table.name && definition.predicate === null;
      })
      // Unique under another collation than the column's own says nothing about the column.
      .filter(({ definition }) => !definition.keys.some((key) => key.includes(' COLLATE ')))
      .map(({ definition }) => definition.keys.map((key) => parseIndexKey(key).expression))
      .filter((key) => key.every(isColumn))
      .map((key) => key.map(unquoted))
      .filter((key) => key.every((name) => columns.some((column) => column.name === name && column.notNull === true)))
  );
}

function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}

export interface ResolvedColumn {
  readonly table: NamedTable;
  readonly column: ColumnObservation;
}

export function resolveColumn({ qualifier, name }: ColumnExpression, names: readonly NamedTable[]): ResolvedColumn | null {
  const owners = names.flatMap((table) => {
    const column = table.columns.find((candidate) => candidate.name === name);
    return column !== undefined && (qualifier === null || qualifier === table.label) ? [{ table, column }] : [];
  });
  return owners.length === 1 ? owners[0]! : null;
}

/**
 * The expression with every column under its table's name, so that it means the same on another level. Null where it
 * holds a subquery or a name of somewhere else.
 */
export function qualified(expression: Expression, names: readonly NamedTable[]): Expression | null {
  let isKnown = true;
  const visit = (part: Expression): Expression => {
    if (part.kind === 'subquery') isKnown = false;
    if (part.kind !== 'column') return withOperands(part, visit);
    const found = resolveColumn(part, names);
    if (found === null) isKnown = false;
    return found === null ? part : { ...part, qualifier: found.table.label };
  };
  const result = visit(expression);
  return isKnown ? result : null;
}

/** Tables a qualified expression reads. */
export function labelsIn(expression: Expression): ReadonlySet<string> {
  return new Set(parts(expression).flatMap((part) => (part.kind === 'column' && part.qualifier !== null ? [part.qualifier] : [])));
}

/** Certainly never NULL. A parameter may be. */
export function isNeverNull(expression: Expression, names: readonly NamedTable[]): boolean {
  if (expression.kind === 'constant') return expression.type !== 'null';
  if (expression.kind !== 'column') return false;
  const found = resolveColumn(expression, names);
  return found !== null && found.column.notNull === true && !found.table.optional;
}

/** A column of the result: its name, and the column of a table where it is one. */
export interface Output {
  readonly name: string;
  readonly expression: Expression;
}

/** Columns of the result in order, `*` spelled out; null where PostgreSQL makes up a name that is not known here. */
export function outputs(targets: readonly Target[], names: readonly NamedTable[]): readonly Output[] | null {
  const found: Output[] = [];
  for (const target of targets) {
    const { expression } = target;
    if (expression.kind === 'column' && expression.name === '*') {
      const tables = names.filter(({ label }) => expression.qualifier === null || label === expression.qualifier);
      for (const { label, columns } of tables)
        found.push(...columns.map(({ name }) => ({ name, expression: { kind: 'column' as const, qualifier: label, name } })));
      continue;
    }
    const name = outputName(target);
    const spelled = qualified(expression, names);
    if (name === null) return null;
    found.push({ name, expression: spelled ?? expression });
  }
  return found;
}

/** The name a target has in the result (FigureColname in PostgreSQL's parser), as far as rewrites need it. */
export function outputName({ expression, name }: Target): string | null {
  if (name !== null) return name;
  switch (expression.kind) {
    case 'column':
    case 'function':
      return expression.name;
    case 'cast': {
      const inner = outputName({ expression: expression.operand, name: null });
      return inner === '?column?' ? null : inner;
    }
    case 'special-call':
      return expression.name.toLowerCase();
    case 'operation':
    case 'logic':
    case 'not':
    case 'test':
    case 'parameter':
      return '?column?';
    case 'constant':
      return expression.type === 'boolean' ? null : '?column?';
    default:
      return null;
  }
}

/**
 * The sort keys as names of result columns, which is what they must be outside the level of the tables. Positions stay.
 * Null where a key is none of them.
 */
export function sortByOutputs(
  orderBy: readonly SortKey[],
  result: readonly Output[],
  names: readonly NamedTable[],
): readonly SortKey[] | null {
  const keys: SortKey[] = [];
  for (const key of orderBy) {
    if (key.expression.kind === 'constant') {
      keys.push(key);
      continue;
    }
    const output = outputOf(key.expression, result, names);
    if (output === null || result.filter(({ name }) => name === output.name).length !== 1) return null;
    keys.push({ ...key, expression: { kind: 'column', qualifier: null, name: output.name } });
  }
  return keys;
}

/** `ORDER BY name` means an output of that name before it means a column (manual, SELECT, ORDER BY). */
function outputOf(expression: Expression, result: readonly Output[], names: readonly NamedTable[]): Output | null {
  if (expression.kind === 'column' && expression.qualifier === null) {
    const named = result.find(({ name }) => name === expression.name);
    if (named !== undefined) return named;
  }
  const spelled = qualified(expression, names);
  return spelled === null ? null : (result.find((output) => isSame(output.expression, spelled)) ?? null);
}

/** Whether the sort keys tell any two rows of the level apart: then SQL leaves no choice of order. */
export function isTotalOrder(orderBy: readonly SortKey[], result: readonly Output[], names: readonly NamedTable[]): boolean {
  const sorted = orderBy.flatMap(({ expression }) => {
    const meant =
      expression.kind === 'constant' ? result[Number(expression.value) - 1]?.expression : outputOf(expression, result, names)?.expression;
    return [meant ?? qualified(expression, names)].flatMap((found) => (found?.kind === 'column' ? [found] : []));
  });
  return hasKeyOfEach(sorted, names);
}

/** Whether the columns hold a key of every table, so that they never repeat. */
export function hasKeyOfEach(columns: readonly ColumnExpression[], names: readonly NamedTable[]): boolean {
  return names.every(
    ({ label, keys, optional }) =>
      !optional && keys.some((key) => key.every((name) => columns.some((column) => column.qualifier === label && column.name === name))),
  );
}
