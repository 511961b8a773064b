import type { TableObservation } from '../../../measurement/observations.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { PredicateShape } from '../../../ports/sql-parser.ts';
import { columnOf, distinctValues, isOn } from '../index-candidates.ts';
import { anchoredPattern } from './patterns.ts';
import type { PlanScan } from './plan-scans.ts';
import type { StatementCase } from './statement-case.ts';

/** In the order in which an index is cheapest to have. */
export const roles = ['equal', 'expression', 'containment', 'text'] as const;

export interface Condition {
  readonly role: (typeof roles)[number] | 'range';
  readonly column: string;
  /** SQL of the side an index would hold. */
  readonly key: string;
  /** `a.x = b.y` or a condition of its own. */
  readonly join: boolean;
  readonly alternative: boolean;
}

/** Conditions on one table that some index could serve; most selective equality first. */
export function conditionsOn(given: StatementCase, table: TableObservation): readonly Condition[] {
  const { shape, facts } = given;
  const predicates = shape.predicates
    .filter((predicate) => predicate.column !== null && isOn(table, predicate.qualifier, predicate.column, shape, facts))
    .flatMap((predicate): Condition[] => {
      const role = roleOf(predicate, given.scans);
      return role === null
        ? []
        : [{ role, column: predicate.column!, key: predicate.expression, join: false, alternative: predicate.alternative ?? false }];
    });
  const joins = shape.joins
    .flatMap(({ left, right }) => [left, right])
    .filter((side) => isOn(table, side.qualifier, side.column, shape, facts))
    .map(({ column }): Condition => ({ role: 'equal', column, key: quoteIdentifier(column), join: true, alternative: false }));
  const distinct = ({ column }: Condition) => distinctValues(columnOf(table, column, facts), table.liveRows) ?? 0;
  return [...predicates, ...joins].sort((a, b) => Number(a.role === 'range') - Number(b.role === 'range') || distinct(b) - distinct(a));
}

function roleOf(predicate: PredicateShape, scans: readonly PlanScan[]): Condition['role'] | null {
  const isPlain = unquoted(predicate.expression) === predicate.column;
  switch (predicate.operator) {
    case '=':
    case 'in':
    case 'is null':
      return isPlain ? 'equal' : 'expression';
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'between':
      return isPlain ? 'range' : 'expression';
    case '@>':
      return isPlain ? 'containment' : null;
    case 'like':
      // A literal beginning is a range of a sorted index.
      return isPlain && anchoredPattern(predicate, scans) === true ? 'range' : 'text';
    case 'ilike':
    case 'regex':
      return 'text';
    default:
      return null;
  }
}

/** EXPLAIN writes the columns of a condition as they are named; a cast or a function may stand around them. */
export function isIn({ node }: PlanScan, { column }: Condition): boolean {
  const texts = [node.Filter, node['Index Cond'], node['Recheck Cond']].join(' ');
  return [...texts.matchAll(/"(?:""|[^"])+"|[\p{L}_][\p{L}\p{N}_$]*/gu)].some(([identifier]) => unquoted(identifier) === column);
}

export function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
