import { isDeepStrictEqual } from 'node:util';
import {
  type ConstantExpression,
  type Expression,
  operandsOf,
  type Query,
  type SelectQuery,
  type Source,
  type SubqueryExpression,
} from '../../../ports/sql-tree.ts';

/** Pieces that rewrites put together. What a rewrite adds is structure, so its constants are never masked. */

export const one: ConstantExpression = { kind: 'constant', type: 'number', value: '1', placeholder: null };

export function text(value: string): ConstantExpression {
  return { kind: 'constant', type: 'text', value, placeholder: null };
}

export function number(value: number): ConstantExpression {
  return { kind: 'constant', type: 'number', value: String(value), placeholder: null };
}

export function binary(left: Expression, operator: string, right: Expression): Expression {
  return { kind: 'operation', operator, left, right };
}

export function cast(operand: Expression, type: string): Expression {
  return operand.kind === 'cast' && operand.type === type ? operand : { kind: 'cast', operand, type };
}

export function call(name: string, ...given: readonly Expression[]): Expression {
  return { kind: 'function', schema: null, name, arguments: given, star: false, distinct: false, orderBy: [], filter: null };
}

export function interval(length: string): Expression {
  return cast(text(length), 'interval');
}

export function exists(query: SelectQuery): SubqueryExpression {
  const bare = { ...query, targets: [{ expression: one, name: null }], distinct: false, orderBy: [] };
  return { kind: 'subquery', form: 'exists', operand: null, operator: null, query: bare };
}

export function notExists(query: SelectQuery): Expression {
  return { kind: 'not', operand: exists(query) };
}

/** The operands of an AND, however nested; the whole where it is none. */
export function conjuncts(condition: Expression | null): readonly Expression[] {
  if (condition === null) return [];
  return condition.kind === 'logic' && condition.operator === 'AND' ? condition.operands.flatMap(conjuncts) : [condition];
}

export function conjunction(conditions: readonly Expression[]): Expression | null {
  if (conditions.length <= 1) return conditions[0] ?? null;
  return { kind: 'logic', operator: 'AND', operands: conditions };
}

export function withConditions(query: SelectQuery, ...conditions: readonly Expression[]): SelectQuery {
  return { ...query, where: conjunction([...conjuncts(query.where), ...conditions]) };
}

export function isSame(left: Expression, right: Expression): boolean {
  return isDeepStrictEqual(left, right);
}

export function isNumber(expression: Expression, value: string): boolean {
  return expression.kind === 'constant' && expression.type === 'number' && expression.value === value;
}

/** The expression and everything in it on the same level; subqueries themselves, not what is in them. */
export function parts(expression: Expression): readonly Expression[] {
  return [expression, ...operandsOf(expression).flatMap(parts)];
}

/** All expressions of a query's own level. */
export function ownExpressions(query: Query): readonly Expression[] {
  const page = [...query.orderBy.map(({ expression }) => expression), query.limit, query.offset];
  const body =
    query.kind === 'combined'
      ? []
      : [
          ...query.targets.map(({ expression }) => expression),
          ...query.from.flatMap(joinConditions),
          query.where,
          ...query.groupBy,
          query.having,
        ];
  return [...body, ...page].filter((expression) => expression !== null);
}

/** Queries directly inside: arms, CTEs, derived tables, subqueries of expressions. */
export function innerQueries(query: Query): readonly Query[] {
  const arms = query.kind === 'combined' ? [query.left, query.right] : query.from.flatMap(derivedQueries);
  const subqueries = ownExpressions(query)
    .flatMap(parts)
    .flatMap((expression) => (expression.kind === 'subquery' ? [expression.query] : []));
  return [...query.with.map((common) => common.query), ...arms, ...subqueries];
}

/** Numbers that parameters, or the placeholders of constants, have anywhere in the query. */
export function numbersIn(query: Query): readonly number[] {
  const own = ownExpressions(query)
    .flatMap(parts)
    .flatMap((part) => (part.kind === 'parameter' ? [part.number] : part.kind === 'constant' ? [part.placeholder ?? 0] : []));
  return [...own, ...innerQueries(query).flatMap(numbersIn)];
}

function joinConditions(source: Source): readonly Expression[] {
  if (source.kind !== 'join') return [];
  return [...joinConditions(source.left), ...joinConditions(source.right), ...(source.on === null ? [] : [source.on])];
}

function derivedQueries(source: Source): readonly Query[] {
  if (source.kind === 'derived') return [source.query];
  return source.kind === 'join' ? [...derivedQueries(source.left), ...derivedQueries(source.right)] : [];
}
