import type { Expression, SelectQuery, SubqueryExpression } from '../../../ports/sql-tree.ts';
import { binary, conjunction, conjuncts, notExists, withConditions } from './build.ts';
import { aggregatesIn, unsteadiness } from './functions.ts';
import { isNeverNull, labelsIn, namesOf, qualified } from './names.ts';
import type { Refused, Rewriter } from './rewrite.ts';

/**
 * `x NOT IN (SELECT y ...)` as a condition of WHERE is true where the subquery is empty, or where x is not NULL, no y is
 * NULL and none equals x (manual, 9.24.2). Said with NOT EXISTS, each of the three is a condition of its own; the two
 * about NULL go where the catalogue forbids NULL. Nothing else is equal: a plain NOT EXISTS keeps rows that NOT IN drops.
 */
export const notInToNotExists: Rewriter = (query, facts) => {
  if (query.kind !== 'select') return null;
  const conditions = conjuncts(query.where);
  const at = conditions.findIndex((condition) => negatedSubquery(condition) !== null);
  if (at < 0) return null;
  const found = negatedSubquery(conditions[at]!)!;
  const reason = unsteadiness(query);
  if (reason !== null) return { refused: reason };
  const names = namesOf(query, facts);
  if ('refused' in names) return names;
  const inner = simpleList(found.query);
  if ('refused' in inner) return inner;
  const innerNames = namesOf(inner, facts, query);
  if ('refused' in innerNames) return innerNames;
  const operand = qualified(found.operand!, names);
  const listed = qualified(inner.targets[0]!.expression, innerNames);
  if (operand === null || operand.kind === 'row' || listed === null) return { refused: 'the compared columns cannot be told apart' };
  if ([...labelsIn(operand)].some((label) => innerNames.some((table) => table.label === label)))
    return { refused: `the subquery reads ${[...labelsIn(operand)].join(', ')} under the same name` };

  const parts: Expression[] = [notExists(withConditions(inner, binary(operand, '=', listed)))];
  const [operandHasNull, listHasNull] = [!isNeverNull(operand, names), !isNeverNull(listed, innerNames)];
  if (listHasNull) parts.push(notExists(withConditions(inner, { kind: 'test', test: 'IS NULL', operand: listed })));
  if (operandHasNull) {
    const isKnown: Expression = { kind: 'test', test: 'IS NOT NULL', operand };
    parts.push({ kind: 'logic', operator: 'OR', operands: [isKnown, notExists(inner)] });
  }
  return {
    query: { ...query, where: conjunction([...conditions.slice(0, at), ...parts, ...conditions.slice(at + 1)]) },
    because:
      parts.length === 1
        ? 'both sides are NOT NULL in the catalogue, so NOT IN and NOT EXISTS mean the same, and NOT EXISTS can be an anti-join'
        : `NOT IN keeps no row once ${listHasNull ? 'the list holds a NULL' : 'the value is NULL'}, so that is asked for too` +
          ' (NOT NULL columns, or leaving those rows out of the list, would spare the question)',
  };
};

function negatedSubquery(condition: Expression): SubqueryExpression | null {
  if (condition.kind === 'subquery') return condition.form === 'all' && condition.operator === '<>' ? condition : null;
  if (condition.kind !== 'not' || condition.operand.kind !== 'subquery') return null;
  const { form, operator } = condition.operand;
  return form === 'any' && (operator === null || operator === '=') ? condition.operand : null;
}

/** A subquery whose WHERE alone decides about each row. */
function simpleList(query: SubqueryExpression['query']): SelectQuery | Refused {
  if (query.kind !== 'select' || query.limit !== null || query.offset !== null || query.with.length > 0 || query.locking.length > 0)
    return { refused: 'the list is no plain SELECT' };
  const [target, ...others] = query.targets;
  if (target === undefined || others.length > 0 || query.from.length === 0) return { refused: 'the list is no plain SELECT of one column' };
  if (query.groupBy.length > 0 || query.having !== null || aggregatesIn([target.expression])) return { refused: 'the list is grouped' };
  return query;
}
