import type { Expression, SelectQuery, Source } from '../../../ports/sql-tree.ts';
import { conjunction, conjuncts, exists } from './build.ts';
import { aggregatesIn, unsteadiness } from './functions.ts';
import { hasKeyOfEach, isTotalOrder, labelsIn, leaves, type NamedTable, namesOf, outputs, qualified } from './names.ts';
import type { Rewriter } from './rewrite.ts';

/**
 * A table that is joined only to ask whether it has a row multiplies the rows, and DISTINCT (or GROUP BY) takes them away
 * again. EXISTS asks the same and multiplies nothing. DISTINCT stays unless the result holds a key
 * of every table that is left: then no two rows can be equal.
 */
export const joinToSemiJoin: Rewriter = (query, facts) => {
  if (query.kind !== 'select' || query.from.length === 0 || !(query.distinct || query.groupBy.length > 0)) return null;
  const sources = query.from.flatMap((source) => leaves(source, false));
  if (sources.length < 2) return null;
  const read = [...query.targets, ...query.orderBy].map(({ expression }) => expression);
  if (aggregatesIn(read) || query.having !== null || query.locking.length > 0 || query.with.length > 0) return null;
  const names = namesOf(query, facts);
  if ('refused' in names) return names;
  const reason = unsteadiness(query);
  if (reason !== null) return { refused: reason };
  const on = query.from.map(innerConditions);
  if (on.includes(null)) return { refused: 'an outer join or USING is among the joins' };

  const result = outputs(query.targets, names);
  const groups = query.groupBy.map((key) => (key.kind === 'constant' ? (result?.[Number(key.value) - 1]?.expression ?? key) : key));
  const kept = result === null ? null : labelsOf([...result.map(({ expression }) => expression), ...groups], names);
  if (result === null || kept === null) return { refused: 'the columns of the result cannot be told apart' };
  if (kept.size === 0 || kept.size === names.length) return null;
  const sorted = labelsOf(
    query.orderBy.map(({ expression }) => expression).filter((expression) => !isOutputOrPosition(expression, result)),
    names,
  );
  if (sorted === null || [...sorted].some((label) => !kept.has(label))) return { refused: 'it is sorted by a table that would go' };

  const conditions = [...on.flatMap((found) => found ?? []), ...conjuncts(query.where)].map((condition) => qualified(condition, names));
  if (conditions.includes(null)) return { refused: 'a condition holds a subquery or a name that cannot be told apart' };
  const known = conditions.filter((condition) => condition !== null);
  const isAbout = (condition: Expression) => [...labelsIn(condition)].some((label) => !kept.has(label));
  const staying = names.filter(({ label }) => kept.has(label));
  const labelOf = (source: Source) => (source.kind === 'table' ? (source.alias ?? source.name) : '');
  const rest = sources.map(({ source }) => source);
  const asked: SelectQuery = {
    ...query,
    distinct: false,
    groupBy: [],
    limit: null,
    offset: null,
    from: rest.filter((source) => !kept.has(labelOf(source))),
    where: conjunction(known.filter(isAbout)),
  };
  const columns = (expressions: readonly Expression[]) =>
    expressions.flatMap((expression) => (expression.kind === 'column' ? [expression] : []));
  const isDistinctByItself = hasKeyOfEach(columns(result.map(({ expression }) => expression)), staying);
  const grouped = groups.map((expression) => qualified(expression, names)).filter((expression) => expression !== null);
  const isGroupedByKey = hasKeyOfEach(columns(grouped), staying);
  if (query.groupBy.length > 0 && !isGroupedByKey) return { refused: 'it is grouped by less than a key, so its groups must be made' };
  const isPaged = query.limit !== null || query.offset !== null;
  if (isPaged && !isTotalOrder(query.orderBy, result, staying))
    return { refused: 'its order is not total, so which rows are on the page is open' };
  const distinct = query.distinct && !isDistinctByItself;
  return {
    query: {
      ...query,
      distinct,
      groupBy: [],
      from: rest.filter((source) => kept.has(labelOf(source))),
      where: conjunction([...known.filter((condition) => !isAbout(condition)), exists(asked)]),
    },
    because: `the joined table only says whether a row exists, and each row is there once${
      distinct
        ? '; DISTINCT stays, because the result holds no key'
        : ', because the result holds a key: nothing is left to be made distinct'
    }`,
  };
};

/** Conditions of inner joins, which mean the same in WHERE; null for any other join. */
function innerConditions(source: Source): readonly Expression[] | null {
  if (source.kind !== 'join') return [];
  const [left, right] = [innerConditions(source.left), innerConditions(source.right)];
  const isInner = source.type === 'INNER' || source.type === 'CROSS';
  if (!isInner || source.using.length > 0 || left === null || right === null) return null;
  return [...left, ...right, ...conjuncts(source.on)];
}

function labelsOf(expressions: readonly Expression[], names: readonly NamedTable[]): ReadonlySet<string> | null {
  const spelled = expressions.map((expression) => (expression.kind === 'constant' ? expression : qualified(expression, names)));
  return spelled.includes(null) ? null : new Set(spelled.flatMap((expression) => [...labelsIn(expression!)]));
}

function isOutputOrPosition(expression: Expression, result: readonly { readonly name: string }[]): boolean {
  if (expression.kind === 'constant') return true;
  return expression.kind === 'column' && expression.qualifier === null && result.some(({ name }) => name === expression.name);
}
