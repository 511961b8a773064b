import type { Expression, SelectQuery, SortKey } from '../../../ports/sql-tree.ts';
import { conjunction, conjuncts, parts } from './build.ts';
import { aggregatesIn, unsteadiness } from './functions.ts';
import { isTotalOrder, type NamedTable, namesOf, type Output, outputs, resolveColumn, sortByOutputs } from './names.ts';
import type { Refused, Rewriter } from './rewrite.ts';

/** More arms read the tables more often than one scan would. */
const mostArms = 4;

/**
 * `p OR q` as one SELECT for each: `p` and, of the rest, `q`. A row that both hold for must come once, and equal rows as
 * often as before; UNION would merge them. So each later arm leaves out what an earlier one found
 * (`(p) IS NOT TRUE`, since p may be NULL) and the arms are added with UNION ALL: every row is in exactly one.
 */
export const orToUnion: Rewriter = (query, facts) => {
  if (query.kind !== 'select') return null;
  const names = namesOf(query, facts);
  const conditions = conjuncts(query.where);
  const at = conditions.findIndex(
    (condition) => condition.kind === 'logic' && condition.operator === 'OR' && spansColumns(condition.operands),
  );
  const found = conditions[at];
  if (found === undefined || found.kind !== 'logic') return null;
  if ('refused' in names) return names;
  const reason = unsteadiness(query) ?? shapeProblem(query);
  if (reason !== null) return { refused: reason };
  if (found.operands.length > mostArms) return { refused: `${found.operands.length} alternatives: each would read the tables again` };
  const result = outputs(query.targets, names);
  if (result === null) return { refused: 'a column of the result has no known name' };
  const page = pageOf(query, result, names);
  if ('refused' in page) return page;

  const arms = found.operands.map((arm, index): SelectQuery => {
    const earlier = found.operands.slice(0, index).map((operand): Expression => ({ kind: 'test', test: 'IS NOT TRUE', operand }));
    const where = conjunction([...conditions.slice(0, at), arm, ...earlier, ...conditions.slice(at + 1)]);
    // The first rows of all are among the first rows of each arm.
    const orderBy = page.limit === null ? [] : query.orderBy;
    return { ...query, with: [], where, orderBy, limit: page.limit, offset: null };
  });
  const [first, ...others] = arms;
  const union = others.reduce<SelectQuery | Combined>(
    (left, right) => ({ kind: 'combined', operation: 'UNION', all: true, left, right, with: [], orderBy: [], limit: null, offset: null }),
    first!,
  );
  return {
    query: { ...union, with: query.with, orderBy: page.orderBy, limit: query.limit, offset: query.offset },
    because: `every row is in exactly one arm, because each leaves out what an earlier one keeps; so each arm can use an index of its own${
      page.limit === null ? '' : ' and stops at the page it needs'
    }`,
  };
};

type Combined = Extract<Parameters<Rewriter>[0], { kind: 'combined' }>;

/** Alternatives on one column are a list, which an index serves as it is. */
function spansColumns(operands: readonly Expression[]): boolean {
  const columns = operands.map((operand) =>
    parts(operand)
      .flatMap((part) => (part.kind === 'column' ? [`${part.qualifier ?? ''}.${part.name}`] : []))
      .join(),
  );
  return new Set(columns).size > 1 && !operands.some((operand) => parts(operand).some(({ kind }) => kind === 'subquery'));
}

function shapeProblem({ distinct, groupBy, having, locking, targets, with: common, from }: SelectQuery): string | null {
  if (distinct || groupBy.length > 0 || having !== null || aggregatesIn(targets.map(({ expression }) => expression)))
    return 'it counts or groups the rows of all alternatives together';
  if (locking.length > 0) return 'a UNION cannot lock rows';
  if (from.length === 0 || targets.length === 0) return 'it reads no table';
  return common.length > 0 ? 'it has common table expressions' : null;
}

interface Page {
  readonly orderBy: readonly SortKey[];
  /** For each arm; null where there is no page, or one whose beginning only the whole knows. */
  readonly limit: Expression | null;
}

function pageOf(query: SelectQuery, result: readonly Output[], names: readonly NamedTable[]): Page | Refused {
  const orderBy = sortByOutputs(query.orderBy, result, names);
  if (orderBy === null) return { refused: 'it is sorted by something that is not in the result' };
  if (query.limit === null && query.offset === null) return { orderBy, limit: null };
  if (!isTotalOrder(query.orderBy, result, names))
    return { refused: 'its order is not total, so which rows are on the page is open: end ORDER BY with a unique column first' };
  const positions = query.orderBy.some(({ expression }) => expression.kind === 'constant');
  const isPlain = query.offset === null && !positions && query.orderBy.every(({ expression }) => isOwnColumn(expression, names));
  return { orderBy, limit: isPlain ? query.limit : null };
}

function isOwnColumn(expression: Expression, names: readonly NamedTable[]): boolean {
  return expression.kind === 'column' && resolveColumn(expression, names) !== null;
}
