import type { A_Const, ColumnRef, Node, TypeName } from 'libpg-query';
import { quoteIdentifier } from '../ports/index-sql.ts';

/**
 * The SQL of an expression as an index key takes it: a column or function call as it is, anything
 * else in parentheses. Columns lose their qualifier, because an index knows only its own table.
 * Null for what cannot be an index key: parameters, subqueries, volatile syntax, rare forms.
 */
export function expressionSql(node: Node): string | null {
  const sql = inner(node);
  if (sql === null || 'ColumnRef' in node || 'FuncCall' in node || 'CoalesceExpr' in node) return sql;
  return `(${sql})`;
}

/** Columns the expression itself reads; those of its subqueries belong to another level. */
export function columnsIn(node: unknown): readonly ColumnRef[] {
  if (Array.isArray(node)) return node.flatMap((item) => columnsIn(item));
  if (typeof node !== 'object' || node === null || 'SubLink' in node) return [];
  if ('ColumnRef' in node) return [node.ColumnRef as ColumnRef];
  return Object.values(node).flatMap((value) => columnsIn(value));
}

export function nameParts(column: ColumnRef): readonly string[] {
  return (column.fields ?? []).map((field) => ('String' in field ? (field.String.sval ?? '') : '*'));
}

/** Null for `*`. */
export function columnName(column: ColumnRef): string | null {
  const name = nameParts(column).at(-1);
  return name === undefined || name === '*' ? null : name;
}

export function constantSql(constant: A_Const): string | null {
  if (constant.sval !== undefined) return `'${(constant.sval.sval ?? '').replaceAll("'", "''")}'`;
  if (constant.boolval !== undefined) return String(constant.boolval.boolval ?? false);
  if (constant.ival !== undefined) return String(constant.ival.ival ?? 0);
  return constant.fval?.fval ?? null;
}

function inner(node: Node): string | null {
  if ('ColumnRef' in node) {
    const name = columnName(node.ColumnRef);
    return name === null ? null : quoteIdentifier(name);
  }
  if ('A_Const' in node) return constantSql(node.A_Const);
  if ('FuncCall' in node) {
    const { funcname, args, over, agg_star, agg_distinct, agg_order, agg_filter } = node.FuncCall;
    if (over !== undefined || agg_star === true || agg_distinct === true || agg_order !== undefined || agg_filter !== undefined)
      return null;
    const parts = (funcname ?? []).flatMap((part) => ('String' in part ? [part.String.sval ?? ''] : []));
    const name = parts[0] === 'pg_catalog' && parts.length > 1 ? parts.slice(1) : parts;
    return joined((args ?? []).map(inner), (list) => `${name.map(quoteIdentifier).join('.')}(${list.join(', ')})`);
  }
  if ('CoalesceExpr' in node) return joined((node.CoalesceExpr.args ?? []).map(inner), (list) => `COALESCE(${list.join(', ')})`);
  if ('TypeCast' in node) {
    const { arg, typeName } = node.TypeCast;
    const type = typeName === undefined ? null : typeSql(typeName);
    if (arg === undefined || type === null) return null;
    return joined([operand(arg)], ([value]) => `${value}::${type}`);
  }
  if ('A_Expr' in node && node.A_Expr.kind === 'AEXPR_OP') {
    const { name, lexpr, rexpr } = node.A_Expr;
    const symbol = name?.at(-1);
    if (lexpr === undefined || rexpr === undefined || symbol === undefined || !('String' in symbol)) return null;
    return joined([operand(lexpr), operand(rexpr)], ([left, right]) => `${left} ${symbol.String.sval} ${right}`);
  }
  return null;
}

function operand(node: Node): string | null {
  const sql = inner(node);
  return sql !== null && ('A_Expr' in node || 'TypeCast' in node) ? `(${sql})` : sql;
}

function joined(parts: readonly (string | null)[], join: (parts: readonly string[]) => string): string | null {
  return parts.every((part) => part !== null) ? join(parts) : null;
}

function typeSql({ names, typmods, arrayBounds }: TypeName): string | null {
  const parts = (names ?? []).flatMap((part) => ('String' in part ? [part.String.sval ?? ''] : []));
  if (parts.length === 0 || (typmods ?? []).length > 0) return null;
  const name = parts[0] === 'pg_catalog' && parts.length > 1 ? parts.slice(1) : parts;
  return `${name.map(quoteIdentifier).join('.')}${'[]'.repeat(arrayBounds?.length ?? 0)}`;
}
