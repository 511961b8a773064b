import type { ConstantExpression, Expression, Query, SelectQuery } from '../../../ports/sql-tree.ts';
import { hasKeyOfEach, namesOf, outputs } from './names.ts';
import type { Rewriter } from './rewrite.ts';

/**
 * UNION sorts or hashes everything to remove equal rows. Where no two can be equal it is for nothing: each arm
 * holds a key of its tables, and two arms never agree because a constant tells them apart.
 */
export const unionToUnionAll: Rewriter = (query, facts) => {
  if (query.kind !== 'combined' || query.operation !== 'UNION' || query.all) return null;
  const arms = armsOf(query);
  if (arms === null) return { refused: 'an arm is no plain SELECT' };
  for (const arm of arms) {
    const names = namesOf(arm, facts);
    if ('refused' in names) return names;
    const result = outputs(arm.targets, names);
    const columns = (result ?? []).flatMap(({ expression }) => (expression.kind === 'column' ? [expression] : []));
    if (arm.from.length === 0 || !hasKeyOfEach(columns, names))
      return { refused: 'an arm holds no key of its tables, so it may hold equal rows, which UNION removes' };
  }
  const width = arms[0]!.targets.length;
  const isApart = Array.from({ length: width }, (_, at) => arms.map((arm) => constantAt(arm, at))).some(areDifferent);
  if (!isApart) return { refused: 'nothing tells the arms apart, so one row may be in two of them, which UNION removes' };
  return {
    query: added(query),
    because: 'a constant tells the arms apart and each holds a key of its tables: no two rows can be equal, so there is nothing to remove',
  };
};

function armsOf(query: Query): readonly SelectQuery[] | null {
  if (query.kind === 'select')
    return query.with.length === 0 && !query.targets.some(({ expression }) => isStar(expression)) ? [query] : null;
  const isPlain = query.operation === 'UNION' && !query.all && query.with.length === 0;
  const [left, right] = isPlain ? [armsOf(query.left), armsOf(query.right)] : [null, null];
  return left === null || right === null ? null : [...left, ...right];
}

function isStar(expression: Expression): boolean {
  return expression.kind === 'column' && expression.name === '*';
}

/** Only text and whole numbers: other types have values that are written differently and equal. */
function constantAt(arm: SelectQuery, at: number): ConstantExpression | null {
  const expression = arm.targets[at]?.expression;
  const plain = expression?.kind === 'cast' && expression.type === 'text' ? expression.operand : expression;
  if (plain?.kind !== 'constant') return null;
  return plain.type === 'text' || (plain.type === 'number' && /^\d+$/u.test(plain.value)) ? plain : null;
}

function areDifferent(constants: readonly (ConstantExpression | null)[]): boolean {
  const known = constants.filter((constant) => constant !== null);
  if (known.length < constants.length || new Set(known.map(({ type }) => type)).size > 1) return false;
  return new Set(known.map(({ value }) => value)).size === known.length;
}

function added(query: Query): Query {
  return query.kind === 'select' ? query : { ...query, all: true, left: added(query.left), right: added(query.right) };
}
