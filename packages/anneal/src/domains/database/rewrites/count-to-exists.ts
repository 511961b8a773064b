import { type Expression, type Query, type SelectQuery, type Target, withOperands } from '../../../ports/sql-tree.ts';
import { conjuncts, exists, isNumber, parts, withConditions } from './build.ts';
import { isAggregate, unsteadiness } from './functions.ts';
import { outputName } from './names.ts';
import type { Rewriter } from './rewrite.ts';

/** A count compared with nought only asks whether there is a row, and the first one answers that. */
export const countToExists: Rewriter = (query) => {
  if (query.kind !== 'select') return null;
  const whole = asWhole(query);
  if (whole !== null) return steady(query, whole);
  let found = false;
  const visit = (expression: Expression): Expression => {
    const answer = existence(expression);
    if (answer !== null) {
      found = true;
      return answer;
    }
    return withOperands(expression, visit);
  };
  const targets = query.targets.map((target): Target => {
    const expression = visit(target.expression);
    return expression === target.expression ? target : { expression, name: outputName(target) };
  });
  const rewritten: SelectQuery = { ...query, targets, where: query.where === null ? null : visit(query.where) };
  if (!found) return null;
  if (targets.some((target, at) => target.name === null && query.targets[at]!.expression !== target.expression && holdsAnswer(target)))
    return { refused: 'a column of the result has no known name' };
  return steady(query, rewritten);
};

function holdsAnswer({ expression }: Target): boolean {
  return parts(expression).some((part) => part.kind === 'subquery' && part.form === 'exists');
}

function steady(query: Query, rewritten: SelectQuery): ReturnType<Rewriter> {
  const reason = unsteadiness(query);
  if (reason !== null) return { refused: reason };
  return { query: rewritten, because: 'a count is above nought exactly where a row exists; EXISTS stops at the first one' };
}

/** `SELECT count(*) > 0 AS taken FROM ...` */
function asWhole(query: SelectQuery): SelectQuery | null {
  const [target, ...others] = query.targets;
  const question = target === undefined ? null : questionOf(target.expression);
  const counted =
    question === null || others.length > 0 ? null : countedRows({ ...query, targets: [{ expression: question.count, name: null }] });
  if (question === null || counted === null || target === undefined) return null;
  return {
    ...counted,
    with: query.with,
    targets: [{ expression: answer({ ...counted, with: [] }, question.some), name: outputName(target) }],
    from: [],
    where: null,
  };
}

/** `(SELECT count(*) ...) > 0` */
function existence(expression: Expression): Expression | null {
  const question = questionOf(expression);
  if (question === null || question.count.kind !== 'subquery' || question.count.form !== 'scalar') return null;
  const { query } = question.count;
  const counted = query.kind === 'select' && query.with.length === 0 ? countedRows(query) : null;
  return counted === null ? null : answer(counted, question.some);
}

function answer(counted: SelectQuery, some: boolean): Expression {
  return some ? exists(counted) : { kind: 'not', operand: exists(counted) };
}

/** What is counted, and whether the question is if there is one (or if there is none). */
function questionOf(expression: Expression): { readonly count: Expression; readonly some: boolean } | null {
  if (expression.kind !== 'operation' || expression.left === null) return null;
  const { left, operator, right } = expression;
  const asked = (count: Expression, sign: string, bound: Expression) => {
    const [nought, single] = [isNumber(bound, '0'), isNumber(bound, '1')];
    if ((nought && (sign === '>' || sign === '<>')) || (single && sign === '>=')) return { count, some: true };
    return (nought && (sign === '=' || sign === '<=')) || (single && sign === '<') ? { count, some: false } : null;
  };
  return asked(left, operator, right) ?? asked(right, { '<': '>', '>': '<', '<=': '>=', '>=': '<=' }[operator] ?? operator, left);
}

/** The rows a plain count looks at: `count(x)` passes over NULL, a FILTER over what it does not hold for. */
function countedRows(query: SelectQuery): SelectQuery | null {
  const { targets, from, groupBy, having, limit, offset, distinct, locking } = query;
  const [target, ...others] = targets;
  const count = target?.expression;
  if (count === undefined || others.length > 0 || count.kind !== 'function' || count.name !== 'count' || !isAggregate(count)) return null;
  if (from.length === 0 || groupBy.length > 0 || having !== null || distinct || locking.length > 0) return null;
  if (limit !== null || offset !== null) return null;
  const [counted] = count.arguments;
  const known: Expression[] =
    counted === undefined || counted.kind === 'constant' ? [] : [{ kind: 'test', test: 'IS NOT NULL', operand: counted }];
  if (counted?.kind === 'constant' && counted.type === 'null') return null;
  return withConditions({ ...query, orderBy: [] }, ...known, ...conjuncts(count.filter));
}
