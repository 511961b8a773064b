import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { StatementShape } from '../../../ports/sql-parser.ts';
import type { AdvisedStatement } from './workload.ts';
import { isColumn } from '../index-ddl.ts';
import { isOn } from '../index-candidates.ts';
import { expressionOf } from './related-indexes.ts';

type Role = 'is compared for equality' | 'is joined' | 'is a range' | 'is sorted by' | 'is grouped by' | 'is searched' | 'is read only';

/**
 * Why an index's keys stand in this order, from what the statements that use it ask of each: equalities and joins narrow the scan to
 * one run of entries, the run is in the order of the keys that follow, and what comes after a range can only filter (manual,
 * "Multicolumn Indexes"). The planner compared the other orders and took this one.
 */
export function keyOrderReason(definition: IndexDefinition, users: readonly AdvisedStatement[]): string {
  const parts = definition.keys.map((key) => {
    const roles = new Set(users.flatMap(({ shape, facts }) => rolesOf(key, definition, shape, { facts })));
    const said = roles.size > 1 ? [...roles].filter((role) => role !== 'is read only') : ['is read only', ...roles].slice(-1);
    return `${expressionOf(key)} ${said.join(', ')}`;
  });
  const order = parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join('; ')}; then ${parts.at(-1)!}`;
  const include = definition.include.length === 0 ? '' : `; ${definition.include.join(', ')} ride along so that the table need not be read`;
  const predicate = definition.predicate === null ? '' : `; only rows with ${definition.predicate}, which the statements always ask for`;
  return `${order}${include}${predicate}.`;
}

function rolesOf(
  key: string,
  { schema, table: name }: IndexDefinition,
  shape: StatementShape,
  { facts }: Pick<AdvisedStatement, 'facts'>,
): readonly Role[] {
  const expression = expressionOf(key);
  const table = { schema, name };
  const isKey = (qualifier: string | null, column: string | null) =>
    column !== null && isColumn(expression) && quoteIdentifier(column) === expression && isOn(table, qualifier, column, shape, facts);
  const roles: Role[] = [];
  for (const predicate of shape.predicates) {
    const same = isColumn(expression) ? isKey(predicate.qualifier, predicate.column) : predicate.expression.includes(expression);
    if (same) roles.push(roleOf(predicate.operator));
  }
  if (shape.joins.some(({ left, right }) => isKey(left.qualifier, left.column) || isKey(right.qualifier, right.column))) {
    roles.push('is joined');
  }
  if (shape.orderBy.some((order) => order.expression === expression)) roles.push('is sorted by');
  if ((shape.columns ?? []).some(({ qualifier, column, role }) => role === 'grouped' && isKey(qualifier, column))) {
    roles.push('is grouped by');
  }
  return roles;
}

function roleOf(operator: StatementShape['predicates'][number]['operator']): Role {
  if (operator === '=' || operator === 'in' || operator === 'is null') return 'is compared for equality';
  if (operator === '@>' || operator === 'ilike' || operator === 'regex') return 'is searched';
  return operator === 'other' ? 'is read only' : 'is a range';
}
