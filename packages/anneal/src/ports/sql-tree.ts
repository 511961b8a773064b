/**
 * A SELECT as a value: what rewriting works on. The parser reads it from PostgreSQL's own parse tree and
 * gives null for syntax that has no place here, so that nothing is ever rewritten that was not understood whole.
 *
 * It holds the constants of the text: for memory only. `printQuery` masks them for whatever is written down.
 */
export type Query = SelectQuery | CombinedQuery;

interface Page {
  readonly with: readonly CommonTable[];
  readonly orderBy: readonly SortKey[];
  readonly limit: Expression | null;
  readonly offset: Expression | null;
}

export interface SelectQuery extends Page {
  readonly kind: 'select';
  readonly distinct: boolean;
  readonly targets: readonly Target[];
  readonly from: readonly Source[];
  readonly where: Expression | null;
  readonly groupBy: readonly Expression[];
  readonly having: Expression | null;
  /** `FOR UPDATE OF o SKIP LOCKED`, as it is printed. */
  readonly locking: readonly string[];
}

export interface CombinedQuery extends Page {
  readonly kind: 'combined';
  readonly operation: 'UNION' | 'INTERSECT' | 'EXCEPT';
  readonly all: boolean;
  readonly left: Query;
  readonly right: Query;
}

export interface CommonTable {
  readonly name: string;
  readonly materialized: boolean | null;
  readonly query: Query;
}

export interface Target {
  readonly expression: Expression;
  /** The name after AS; null where PostgreSQL makes one up. */
  readonly name: string | null;
}

export interface SortKey {
  readonly expression: Expression;
  readonly descending: boolean;
  /** Null where the direction decides. */
  readonly nulls: 'FIRST' | 'LAST' | null;
}

export type Source =
  | TableSource
  | { readonly kind: 'derived'; readonly lateral: boolean; readonly query: Query; readonly alias: string }
  | JoinSource;

export interface TableSource {
  readonly kind: 'table';
  readonly schema: string | null;
  readonly name: string;
  readonly alias: string | null;
}

export interface JoinSource {
  readonly kind: 'join';
  readonly type: 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'CROSS';
  readonly left: Source;
  readonly right: Source;
  readonly on: Expression | null;
  readonly using: readonly string[];
}

export interface ColumnExpression {
  readonly kind: 'column';
  readonly qualifier: string | null;
  /** `*` for all of them. */
  readonly name: string;
}

export interface ConstantExpression {
  readonly kind: 'constant';
  readonly type: 'text' | 'number' | 'boolean' | 'null' | 'bits';
  /** Text as its value, everything else as SQL. */
  readonly value: string;
  /**
   * Shown in its place where the statement is written down; null for what is structure and nobody's value (a unit of
   * time, 0 and 1, true and false, the length of a page).
   */
  readonly placeholder: number | null;
}

export interface SubqueryExpression {
  readonly kind: 'subquery';
  /** `operand operator ANY (query)`; IN is `= ANY`, and NOT IN its negation. */
  readonly form: 'exists' | 'scalar' | 'array' | 'any' | 'all';
  readonly operand: Expression | null;
  readonly operator: string | null;
  readonly query: Query;
}

export interface FunctionExpression {
  readonly kind: 'function';
  readonly schema: string | null;
  readonly name: string;
  readonly arguments: readonly Expression[];
  /** `count(*)`. */
  readonly star: boolean;
  readonly distinct: boolean;
  readonly orderBy: readonly SortKey[];
  readonly filter: Expression | null;
}

export interface OperationExpression {
  readonly kind: 'operation';
  /** `=`, `||`, `->>`, also LIKE, NOT ILIKE, IS DISTINCT FROM. */
  readonly operator: string;
  /** Null for a prefix operator. */
  readonly left: Expression | null;
  readonly right: Expression;
}

export interface LogicExpression {
  readonly kind: 'logic';
  readonly operator: 'AND' | 'OR';
  readonly operands: readonly Expression[];
}

export type Expression =
  | ColumnExpression
  | ConstantExpression
  | SubqueryExpression
  | FunctionExpression
  | OperationExpression
  | LogicExpression
  | { readonly kind: 'parameter'; readonly number: number }
  | { readonly kind: 'cast'; readonly operand: Expression; readonly type: string }
  | {
      readonly kind: 'between';
      readonly negated: boolean;
      readonly symmetric: boolean;
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  | { readonly kind: 'in'; readonly negated: boolean; readonly operand: Expression; readonly items: readonly Expression[] }
  /** `left operator ANY (array)`. */
  | {
      readonly kind: 'quantified';
      readonly operator: string;
      readonly quantifier: 'ANY' | 'ALL';
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'not'; readonly operand: Expression }
  /** `IS NULL`, `IS NOT TRUE` and their like. */
  | { readonly kind: 'test'; readonly test: string; readonly operand: Expression }
  | {
      readonly kind: 'case';
      readonly operand: Expression | null;
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression | null;
    }
  /** COALESCE, GREATEST, LEAST, NULLIF: calls in form, syntax in truth. */
  | {
      readonly kind: 'special-call';
      readonly name: 'COALESCE' | 'GREATEST' | 'LEAST' | 'NULLIF';
      readonly arguments: readonly Expression[];
    }
  /** CURRENT_TIMESTAMP, CURRENT_USER ... */
  | { readonly kind: 'keyword'; readonly sql: string }
  | { readonly kind: 'array'; readonly items: readonly Expression[] }
  | { readonly kind: 'row'; readonly items: readonly Expression[] };

/** The expressions directly inside, in the order of the text; those of a subquery belong to its own level. */
export function operandsOf(expression: Expression): readonly Expression[] {
  const found: Expression[] = [];
  withOperands(expression, (operand) => {
    found.push(operand);
    return operand;
  });
  return found;
}

/** The same expression with `change` applied to each operand; subqueries keep their own level. */
export function withOperands(expression: Expression, change: (operand: Expression) => Expression): Expression {
  switch (expression.kind) {
    case 'subquery':
      return { ...expression, operand: expression.operand === null ? null : change(expression.operand) };
    case 'function':
      return {
        ...expression,
        arguments: expression.arguments.map(change),
        orderBy: expression.orderBy.map((key) => ({ ...key, expression: change(key.expression) })),
        filter: expression.filter === null ? null : change(expression.filter),
      };
    case 'operation':
      return { ...expression, left: expression.left === null ? null : change(expression.left), right: change(expression.right) };
    case 'logic':
      return { ...expression, operands: expression.operands.map(change) };
    case 'cast':
    case 'not':
    case 'test':
      return { ...expression, operand: change(expression.operand) };
    case 'between':
      return { ...expression, operand: change(expression.operand), low: change(expression.low), high: change(expression.high) };
    case 'in':
      return { ...expression, operand: change(expression.operand), items: expression.items.map(change) };
    case 'quantified':
      return { ...expression, left: change(expression.left), right: change(expression.right) };
    case 'case':
      return {
        ...expression,
        operand: expression.operand === null ? null : change(expression.operand),
        branches: expression.branches.map(({ when, result }) => ({ when: change(when), result: change(result) })),
        otherwise: expression.otherwise === null ? null : change(expression.otherwise),
      };
    case 'special-call':
      return { ...expression, arguments: expression.arguments.map(change) };
    case 'array':
    case 'row':
      return { ...expression, items: expression.items.map(change) };
    default:
      return expression;
  }
}
