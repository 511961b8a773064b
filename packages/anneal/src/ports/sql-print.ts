import { qualifiedName, quoteIdentifier, quoteLiteral } from './index-sql.ts';
import type { Expression, Query, SortKey, Source, SubqueryExpression, Target } from './sql-tree.ts';

export interface PrintOptions {
  /** `masked`: constants that may be somebody's value stand as `$n`, numbered behind the statement's own parameters. */
  readonly constants: 'shown' | 'masked';
  /** One clause per line, for people; subqueries stay on theirs. */
  readonly lines?: boolean;
}

/** The query as SQL that PostgreSQL parses into the same tree. No semicolon. */
export function printQuery(query: Query, options: PrintOptions): string {
  return new Printer(options).query(query, options.lines === true ? '\n' : ' ');
}

/** Precedence of operators, weakest first (manual, 4.1.6). */
const strength = {
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  comparison: 5,
  pattern: 6,
  other: 7,
  sum: 8,
  product: 9,
  power: 10,
  sign: 11,
  cast: 12,
  atom: 13,
};

class Printer {
  readonly #masked: boolean;

  constructor({ constants }: PrintOptions) {
    this.#masked = constants === 'masked';
  }

  query(query: Query, separator: string): string {
    const inner = (part: Query) => this.query(part, ' ');
    const { with: common, orderBy, limit, offset } = query;
    const clauses = [
      common.length === 0
        ? null
        : `WITH ${common.map(({ name, materialized, query }) => commonTable(name, materialized, inner(query))).join(', ')}`,
      ...(query.kind === 'combined'
        ? [this.#arm(query.left, separator), `${query.operation}${query.all ? ' ALL' : ''}`, this.#arm(query.right, separator)]
        : [
            `SELECT${query.distinct ? ' DISTINCT' : ''}${query.targets.length === 0 ? '' : ` ${query.targets.map((target) => this.#target(target)).join(', ')}`}`,
            query.from.length === 0 ? null : `FROM ${query.from.map((source) => this.#source(source)).join(', ')}`,
            query.where === null ? null : `WHERE ${this.#condition(query.where, separator)}`,
            query.groupBy.length === 0 ? null : `GROUP BY ${this.#list(query.groupBy)}`,
            query.having === null ? null : `HAVING ${this.#sql(query.having)}`,
          ]),
      orderBy.length === 0 ? null : `ORDER BY ${this.#sort(orderBy)}`,
      limit === null ? null : `LIMIT ${this.#sql(limit)}`,
      offset === null ? null : `OFFSET ${this.#sql(offset)}`,
      ...(query.kind === 'select' ? query.locking : []),
    ];
    return clauses.filter((clause) => clause !== null).join(separator);
  }

  #arm(query: Query, separator: string): string {
    const isPlain = query.kind === 'select' && query.orderBy.length === 0 && query.limit === null && query.offset === null;
    return isPlain && query.with.length === 0 && query.locking.length === 0 ? this.query(query, separator) : `(${this.query(query, ' ')})`;
  }

  #target({ expression, name }: Target): string {
    return `${this.#sql(expression)}${name === null ? '' : ` AS ${quoteIdentifier(name)}`}`;
  }

  #source(source: Source): string {
    if (source.kind === 'table') {
      const name = source.schema === null ? quoteIdentifier(source.name) : qualifiedName(source.schema, source.name);
      return source.alias === null ? name : `${name} AS ${quoteIdentifier(source.alias)}`;
    }
    if (source.kind === 'derived')
      return `${source.lateral ? 'LATERAL ' : ''}(${this.query(source.query, ' ')}) AS ${quoteIdentifier(source.alias)}`;
    const { type, left, right, on, using } = source;
    const second = right.kind === 'join' ? `(${this.#source(right)})` : this.#source(right);
    const link = using.length > 0 ? ` USING (${using.map(quoteIdentifier).join(', ')})` : on === null ? '' : ` ON ${this.#sql(on)}`;
    return `${this.#source(left)} ${type === 'INNER' ? 'JOIN' : `${type} JOIN`} ${second}${link}`;
  }

  #condition(expression: Expression, separator: string): string {
    if (separator === ' ' || expression.kind !== 'logic' || expression.operator !== 'AND') return this.#sql(expression);
    return expression.operands.map((operand) => this.#above(operand, strength.and)).join('\n  AND ');
  }

  #list(expressions: readonly Expression[]): string {
    return expressions.map((expression) => this.#sql(expression)).join(', ');
  }

  #sort(keys: readonly SortKey[]): string {
    return keys
      .map(
        ({ expression, descending, nulls }) =>
          `${this.#sql(expression)}${descending ? ' DESC' : ''}${nulls === null ? '' : ` NULLS ${nulls}`}`,
      )
      .join(', ');
  }

  /** In parentheses unless it binds more strongly. */
  #above(expression: Expression, minimum: number): string {
    const sql = this.#sql(expression);
    return strengthOf(expression) > minimum ? sql : `(${sql})`;
  }

  #sql(expression: Expression): string {
    switch (expression.kind) {
      case 'column': {
        const name = expression.name === '*' ? '*' : quoteIdentifier(expression.name);
        return expression.qualifier === null ? name : `${quoteIdentifier(expression.qualifier)}.${name}`;
      }
      case 'parameter':
        return `$${expression.number}`;
      case 'constant': {
        const { type, value, placeholder } = expression;
        if (this.#masked && placeholder !== null) return `$${placeholder}`;
        return type === 'text' ? quoteLiteral(value) : value;
      }
      case 'keyword':
        return expression.sql;
      case 'cast':
        return `${this.#above(expression.operand, strength.cast - 1)}::${expression.type}`;
      case 'operation': {
        const { operator, left, right } = expression;
        const own = strengthOf(expression);
        if (left === null) return `${operator} ${this.#above(right, own)}`;
        // Comparisons do not chain; the others group to the left.
        const minimum = own <= strength.pattern ? own : own - 1;
        return `${this.#above(left, minimum)} ${operator} ${this.#above(right, own)}`;
      }
      case 'logic':
        // AND inside OR needs none, but readers are glad of them.
        return expression.operands.map((operand) => this.#above(operand, strength.and)).join(` ${expression.operator} `);
      case 'not': {
        const { operand } = expression;
        if (operand.kind === 'subquery' && operand.form === 'any' && operand.operator === null && operand.operand !== null)
          return `${this.#above(operand.operand, strength.other)} NOT IN (${this.query(operand.query, ' ')})`;
        return `NOT ${this.#above(operand, strength.not)}`;
      }
      case 'test':
        return `${this.#above(expression.operand, strength.comparison)} ${expression.test}`;
      case 'between': {
        const { negated, symmetric, operand, low, high } = expression;
        const bound = (value: Expression) => this.#above(value, strength.pattern);
        return `${bound(operand)} ${negated ? 'NOT ' : ''}BETWEEN ${symmetric ? 'SYMMETRIC ' : ''}${bound(low)} AND ${bound(high)}`;
      }
      case 'in':
        return `${this.#above(expression.operand, strength.pattern)} ${expression.negated ? 'NOT ' : ''}IN (${this.#list(expression.items)})`;
      case 'quantified': {
        const { operator, quantifier, left, right } = expression;
        return `${this.#above(left, strength.other)} ${operator} ${quantifier} (${this.#sql(right)})`;
      }
      case 'function':
        return this.#call(expression);
      case 'special-call':
        return `${expression.name}(${this.#list(expression.arguments)})`;
      case 'case': {
        const { operand, branches, otherwise } = expression;
        const arms = branches.map(({ when, result }) => ` WHEN ${this.#sql(when)} THEN ${this.#sql(result)}`).join('');
        const start = operand === null ? 'CASE' : `CASE ${this.#sql(operand)}`;
        return `${start}${arms}${otherwise === null ? '' : ` ELSE ${this.#sql(otherwise)}`} END`;
      }
      case 'array':
        return `ARRAY[${this.#list(expression.items)}]`;
      case 'row':
        return `ROW(${this.#list(expression.items)})`;
      case 'subquery':
      default:
        return this.#subquery(expression);
    }
  }

  #subquery({ form, operand, operator, query }: SubqueryExpression): string {
    const body = `(${this.query(query, ' ')})`;
    if (form === 'exists') return `EXISTS ${body}`;
    if (form === 'array') return `ARRAY${body}`;
    if (form === 'scalar' || operand === null) return body;
    const tested = this.#above(operand, strength.other);
    if (form === 'any' && operator === null) return `${tested} IN ${body}`;
    return `${tested} ${operator ?? '='} ${form.toUpperCase()} ${body}`;
  }

  #call({ schema, name, arguments: given, star, distinct, orderBy, filter }: Extract<Expression, { kind: 'function' }>): string {
    const [unit, operand] = given;
    // The one special syntax everybody writes; PostgreSQL takes it and a call for the same.
    if (isExtract(schema, name) && unit?.kind === 'constant' && operand !== undefined)
      return `EXTRACT(${unit.value} FROM ${this.#sql(operand)})`;
    const list = star ? '*' : `${distinct ? 'DISTINCT ' : ''}${this.#list(given)}`;
    const sorted = orderBy.length === 0 ? '' : ` ORDER BY ${this.#sort(orderBy)}`;
    const filtered = filter === null ? '' : ` FILTER (WHERE ${this.#sql(filter)})`;
    return `${schema === null ? quoteIdentifier(name) : qualifiedName(schema, name)}(${list}${sorted})${filtered}`;
  }
}

function isExtract(schema: string | null, name: string): boolean {
  return schema === 'pg_catalog' && name === 'extract';
}

function commonTable(name: string, materialized: boolean | null, body: string): string {
  const how = materialized === null ? '' : materialized ? 'MATERIALIZED ' : 'NOT MATERIALIZED ';
  return `${quoteIdentifier(name)} AS ${how}(${body})`;
}

const comparisons: ReadonlySet<string> = new Set(['=', '<', '>', '<=', '>=', '<>', '!=']);
const operatorStrength: Readonly<Record<string, number>> = {
  '+': strength.sum,
  '-': strength.sum,
  '*': strength.product,
  '/': strength.product,
  '%': strength.product,
  '^': strength.power,
};

function strengthOf(expression: Expression): number {
  switch (expression.kind) {
    case 'logic':
      return expression.operator === 'AND' ? strength.and : strength.or;
    case 'not':
      return strength.not;
    case 'test':
      return strength.is;
    case 'between':
    case 'in':
      return strength.pattern;
    case 'quantified':
      return strength.other;
    case 'subquery':
      return expression.operand === null ? strength.atom : strength.pattern;
    case 'operation': {
      const { operator, left } = expression;
      if (left === null) return operator === '+' || operator === '-' ? strength.sign : strength.other;
      if (comparisons.has(operator)) return strength.comparison;
      if (operator.startsWith('IS ')) return strength.is;
      return operator.endsWith('LIKE') ? strength.pattern : (operatorStrength[operator] ?? strength.other);
    }
    case 'cast':
      return strength.cast;
    case 'constant':
      return expression.type === 'number' && expression.value.startsWith('-') ? strength.sign : strength.atom;
    default:
      return strength.atom;
  }
}
