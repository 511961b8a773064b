import type { ColumnExpression, Expression, Query, SelectQuery, SortKey } from '../../../ports/sql-tree.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { binary, isSame, numbersIn, withConditions } from './build.ts';
import { isNeverNull, isTotalOrder, namesOf, outputs, qualified } from './names.ts';
import type { Refused } from './rewrite.ts';

export interface KeysetPages {
  /** The first page: in an order that is total. */
  readonly first: SelectQuery;
  /** Every later one, behind the last row seen. */
  readonly next: SelectQuery;
  /** The sort columns in order and the parameters of `next` that take the last row's values. */
  readonly keys: readonly { readonly column: ColumnExpression; readonly parameter: number }[];
  /** Added to make the order total. */
  readonly tieBreakers: readonly string[];
}

/**
 * The statement of a page by OFFSET as one that begins behind the last row seen. The pages are the same rows in
 * the same order as long as nobody writes in between (and no row twice or never when somebody does). It needs an order that
 * is total and columns that cannot be NULL, since no comparison finds the row behind a NULL.
 */
export function keysetPages(query: Query, facts: SchemaFacts): KeysetPages | Refused | null {
  if (query.kind !== 'select' || query.limit === null || query.offset === null || query.orderBy.length === 0) return null;
  if (query.distinct || query.groupBy.length > 0) return { refused: 'it pages over groups, which have no place behind which to begin' };
  const names = namesOf(query, facts);
  if ('refused' in names) return names;
  const result = outputs(query.targets, names);
  if (result === null) return { refused: 'a column of the result has no known name' };
  const sorted = query.orderBy.map(({ expression }) => {
    const position = expression.kind === 'constant' ? result[Number(expression.value) - 1]?.expression : undefined;
    const named =
      expression.kind === 'column' && expression.qualifier === null
        ? result.find(({ name }) => name === expression.name)?.expression
        : undefined;
    const meant = position ?? named ?? qualified(expression, names);
    return meant?.kind === 'column' ? meant : null;
  });
  if (sorted.includes(null)) return { refused: 'it is sorted by an expression, whose value the caller does not have' };
  const columns = sorted.filter((column) => column !== null);
  if (!columns.every((column) => isNeverNull(column, names)))
    return { refused: 'a sort column may be NULL, and nothing compares with NULL' };

  const missing: ColumnExpression[] = [];
  if (!isTotalOrder(query.orderBy, result, names)) {
    const [table, ...others] = names;
    const [key] = (table?.keys ?? []).toSorted((one, other) => one.length - other.length);
    if (table === undefined || key === undefined || others.length > 0)
      return { refused: 'its order is not total, and no key of one table would make it so' };
    const added = key.map((name): ColumnExpression => ({ kind: 'column', qualifier: table.label, name }));
    missing.push(...added.filter((column) => !columns.some((known) => isSame(known, column))));
  }
  const descending = query.orderBy.at(-1)!.descending;
  const order: readonly (SortKey & { readonly expression: ColumnExpression })[] = [
    ...columns.map((expression, at) => ({ expression, descending: query.orderBy[at]!.descending, nulls: null })),
    // In the direction of the last key, so that one index can be read one way.
    ...missing.map((expression) => ({ expression, descending, nulls: null })),
  ];
  // The page's number is no longer sent: its parameter takes the first value.
  const free = query.offset.kind === 'parameter' ? [query.offset.number] : [];
  let last = Math.max(0, ...numbersIn(query));
  const keys = order.map(({ expression }) => ({ column: expression, parameter: free.shift() ?? (last += 1) }));
  const first: SelectQuery = { ...query, orderBy: order, offset: null };
  return { first, next: withConditions(first, behind(order, keys)), keys, tieBreakers: missing.map(({ name }) => name) };
}

/** `(a, b) < ($1, $2)` where all keys run one way (manual, 9.25.5); mixed directions need it spelled out. */
function behind(order: readonly SortKey[], keys: KeysetPages['keys']): Expression {
  const value = (at: number): Expression => ({ kind: 'parameter', number: keys[at]!.parameter });
  const sign = ({ descending }: SortKey) => (descending ? '<' : '>');
  if (order.length === 1) return binary(keys[0]!.column, sign(order[0]!), value(0));
  if (order.every(({ descending }) => descending === order[0]!.descending)) {
    const row = (items: readonly Expression[]): Expression => ({ kind: 'row', items });
    return binary(row(keys.map(({ column }) => column)), sign(order[0]!), row(keys.map((_, at) => value(at))));
  }
  const arms = order.map((key, at): Expression => {
    const equal = keys.slice(0, at).map(({ column }, place) => binary(column, '=', value(place)));
    const beyond = binary(keys[at]!.column, sign(key), value(at));
    return equal.length === 0 ? beyond : { kind: 'logic', operator: 'AND', operands: [...equal, beyond] };
  });
  return { kind: 'logic', operator: 'OR', operands: arms };
}
