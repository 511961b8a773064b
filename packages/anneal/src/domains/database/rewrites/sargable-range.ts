import type { ColumnObservation } from '../../../measurement/observations.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { Expression, FunctionExpression, Query } from '../../../ports/sql-tree.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { parseIndexKey } from '../index-ddl.ts';
import { binary, call, cast, conjunction, conjuncts, interval, number, parts, text } from './build.ts';
import { unsteadiness } from './functions.ts';
import { namesOf, resolveColumn } from './names.ts';
import type { Rewriter } from './rewrite.ts';

/**
 * `date_trunc('day', t) = $1`, `t::date = $1` and `EXTRACT(year FROM t) = $1` hide t from its index. The values that can
 * satisfy them lie in a range, which is written beside the condition: the index finds the range, and the
 * condition itself still decides. So the range only has to be wide enough. For timestamptz it gets a day on either side,
 * because what a day is depends on the session's time zone and its changes of the clock.
 */
export const sargableRange: Rewriter = (query, facts) => {
  if (query.kind !== 'select') return null;
  const names = namesOf(query, facts);
  const conditions = conjuncts(query.where);
  const hidden = conditions.map(hiddenColumn);
  if (hidden.every((found) => found === null)) return null;
  if ('refused' in names) return names;
  const reason = unsteadiness(query);
  if (reason !== null) return { refused: reason };
  const added = new Set<string>();
  const rewritten = conditions.flatMap((condition, at) => {
    const found = hidden[at] ?? null;
    const resolved = found === null ? null : resolveColumn(found.column, names);
    const type = resolved === null ? null : columnType(resolved.column.type);
    if (found === null || resolved === null || type === null) return [condition];
    const range = rangeOf(found, type);
    if (range.length === 0 || hasRange(conditions, found)) return [condition];
    added.add(resolved.column.name);
    return [...range, condition];
  });
  if (added.size === 0) return { refused: 'the column has a range beside the condition already, or is no date or timestamp' };
  return {
    query: { ...query, where: conjunction(rewritten) },
    because: `the range holds every ${[...added].join(', ')} that can satisfy the condition, which stays and decides; an index on the column can serve the range`,
  };
};

/** The columns that a range would be written for. */
export function sargableColumns(query: Query, facts: SchemaFacts): readonly ColumnObservation[] {
  const names = query.kind === 'select' ? namesOf(query, facts) : [];
  if ('refused' in names || query.kind !== 'select') return [];
  return conjuncts(query.where)
    .map(hiddenColumn)
    .flatMap((found) => (found === null ? [] : [resolveColumn(found.column, names)?.column]))
    .filter((column) => column !== undefined);
}

/** Whether a valid B-tree over all rows has the column as its first key. */
export function indexLeadsWith({ schema, table, name }: ColumnObservation, facts: SchemaFacts): boolean {
  return facts.indexes.some(
    ({ valid, definition }) =>
      valid &&
      definition.schema === schema &&
      definition.table === table &&
      definition.method === 'btree' &&
      definition.predicate === null &&
      parseIndexKey(definition.keys[0] ?? '').expression === quoteIdentifier(name),
  );
}

interface HiddenColumn {
  readonly column: Extract<Expression, { kind: 'column' }>;
  readonly operator: '=' | '<' | '<=' | '>' | '>=';
  readonly value: Expression;
  readonly by: { readonly kind: 'trunc'; readonly unit: string } | { readonly kind: 'date' } | { readonly kind: 'year' };
}

const commuted = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;

function hiddenColumn(condition: Expression): HiddenColumn | null {
  if (condition.kind !== 'operation' || condition.left === null || !(condition.operator in commuted)) return null;
  const operator = condition.operator as HiddenColumn['operator'];
  return hiddenBy(condition.left, operator, condition.right) ?? hiddenBy(condition.right, commuted[operator], condition.left);
}

function hiddenBy(side: Expression, operator: HiddenColumn['operator'], value: Expression): HiddenColumn | null {
  // A value that reads a column differs from row to row: no range of an index.
  if (parts(value).some(({ kind }) => kind === 'column' || kind === 'subquery')) return null;
  if (side.kind === 'cast' && side.type === 'date' && side.operand.kind === 'column')
    return { column: side.operand, operator, value, by: { kind: 'date' } };
  if (side.kind !== 'function' || !isBuiltIn(side)) return null;
  const [first, second, third] = side.arguments;
  if (side.name === 'date' && first?.kind === 'column' && second === undefined)
    return { column: first, operator, value, by: { kind: 'date' } };
  if (first?.kind !== 'constant' || second?.kind !== 'column' || third !== undefined) return null;
  const unit = first.value.toLowerCase();
  if (side.name === 'date_trunc' && unit in lengths) return { column: second, operator, value, by: { kind: 'trunc', unit } };
  const isYear = (side.name === 'extract' || side.name === 'date_part') && unit === 'year';
  return isYear ? { column: second, operator, value, by: { kind: 'year' } } : null;
}

function isBuiltIn({ schema }: FunctionExpression): boolean {
  return schema === null || schema === 'pg_catalog';
}

/** Units of date_trunc (manual, 9.9.2) and how long each is at most. */
const lengths: Readonly<Record<string, string>> = {
  second: '1 second',
  minute: '1 minute',
  hour: '1 hour',
  day: '1 day',
  week: '7 days',
  month: '1 month',
  quarter: '3 months',
  year: '1 year',
};

type ColumnType = 'timestamp' | 'timestamptz' | 'date';

function columnType(type: string): ColumnType | null {
  if (type === 'date') return 'date';
  if (/^timestamp(?:\(\d\))? without time zone$/u.test(type)) return 'timestamp';
  return /^timestamp(?:\(\d\))? with time zone$/u.test(type) ? 'timestamptz' : null;
}

function hasRange(conditions: readonly Expression[], { column }: HiddenColumn): boolean {
  return conditions.some((condition) => {
    const sides =
      condition.kind === 'operation' ? [condition.left, condition.right] : condition.kind === 'between' ? [condition.operand] : [];
    return sides.some((side) => side?.kind === 'column' && side.name === column.name && side.qualifier === column.qualifier);
  });
}

/**
 * Bounds that every satisfying value keeps. `<=` on top although the range is half open: it is wide enough for
 * 'infinity', to which nothing can be added.
 */
function rangeOf({ column, operator, value, by }: HiddenColumn, type: ColumnType): readonly Expression[] {
  const [from, to] = by.kind === 'year' ? years(value, type) : by.kind === 'date' ? dates(value, type) : units(value, by.unit, type);
  const lower = binary(column, '>=', from);
  const upper = binary(column, '<=', to);
  if (operator === '=') return [lower, upper];
  return operator === '>' || operator === '>=' ? [lower] : [upper];
}

function units(value: Expression, unit: string, type: ColumnType): readonly [Expression, Expression] {
  // date_trunc of a date is a timestamptz; a date's own midnight lies in the same range.
  const start = cast(value, type === 'timestamp' ? 'timestamp' : 'timestamptz');
  const end = binary(start, '+', interval(lengths[unit]!));
  return type === 'timestamp' ? [start, end] : [binary(start, '-', interval('1 day')), binary(end, '+', interval('1 day'))];
}

function dates(value: Expression, type: ColumnType): readonly [Expression, Expression] {
  const day = cast(value, 'date');
  return type === 'timestamptz' ? [binary(day, '-', number(1)), binary(day, '+', number(2))] : [day, binary(day, '+', number(1))];
}

/** make_date refuses what is no year, and a condition on such a value is no error but false: then there is no bound. */
function years(value: Expression, type: ColumnType): readonly [Expression, Expression] {
  const year = cast(cast(value, 'numeric'), 'int4');
  const isYear: Expression = {
    kind: 'between',
    negated: false,
    symmetric: false,
    operand: cast(value, 'numeric'),
    low: number(1),
    high: number(9998),
  };
  const bounded = (day: Expression, otherwise: string): Expression => ({
    kind: 'case',
    operand: null,
    branches: [{ when: isYear, result: day }],
    otherwise: cast(text(otherwise), 'date'),
  });
  const first = call('make_date', year, number(1), number(1));
  const last = call('make_date', binary(year, '+', number(1)), number(1), number(1));
  const margin = type === 'timestamptz';
  return [
    bounded(margin ? binary(first, '-', number(1)) : first, '-infinity'),
    bounded(margin ? binary(last, '+', number(1)) : last, 'infinity'),
  ];
}
