import type { A_Const, A_Expr, FuncCall, JoinExpr, Node, SelectStmt, SortBy, SQLValueFunction, SubLink, TypeName } from 'libpg-query';
import { quoteIdentifier } from '../ports/index-sql.ts';
import type { CommonTable, ConstantExpression, Expression, Query, SortKey, Source, Target } from '../ports/sql-tree.ts';
import { nameParts } from './sql-expression.ts';

/** The statement as a tree of ours; null when any part of it is syntax that the tree has no place for. */
export function readQuery(statement: Node, parameters: number): Query | null {
  if (!('SelectStmt' in statement)) return null;
  try {
    return new Reading(parameters).query(statement.SelectStmt);
  } catch (error) {
    if (error instanceof Unsupported) return null;
    throw error;
  }
}

class Unsupported extends Error {}

function refuse(): never {
  throw new Unsupported();
}

/** Fields of a node that the tree knows; any other field that is set means something it would lose. */
function only(node: object, known: readonly string[]): void {
  if (Object.keys(node).some((key) => !known.includes(key))) refuse();
}

const page = ['sortClause', 'limitCount', 'limitOffset', 'limitOption', 'withClause', 'op'];
const combined = [...page, 'larg', 'rarg', 'all'];
const selected = [...page, 'distinctClause', 'targetList', 'fromClause', 'whereClause', 'groupClause', 'havingClause', 'lockingClause'];

class Reading {
  /** The last placeholder given out: constants are numbered behind the parameters, in the order they are read. */
  #placeholder: number;

  constructor(parameters: number) {
    this.#placeholder = parameters;
  }

  query(statement: SelectStmt): Query {
    const { op, larg, rarg, all, withClause, sortClause, limitCount, limitOffset, limitOption } = statement;
    if (limitOption === 'LIMIT_OPTION_WITH_TIES' || withClause?.recursive === true) refuse();
    const common = (withClause?.ctes ?? []).map((node) => this.#common(node));
    const operation = { SETOP_UNION: 'UNION', SETOP_INTERSECT: 'INTERSECT', SETOP_EXCEPT: 'EXCEPT' }[op as string];
    const body =
      operation === undefined
        ? this.#select(statement)
        : {
            kind: 'combined' as const,
            operation: operation as 'UNION',
            all: all === true,
            left: this.query(larg ?? refuse()),
            right: this.query(rarg ?? refuse()),
          };
    if (operation !== undefined) only(statement, combined);
    return {
      ...body,
      with: common,
      orderBy: (sortClause ?? []).map((node) => this.#sortKey(node)),
      limit: this.#pageLength(limitCount),
      offset: this.#pageLength(limitOffset),
    };
  }

  #select(statement: SelectStmt) {
    only(statement, selected);
    const { distinctClause, targetList, fromClause, whereClause, groupClause, havingClause, lockingClause } = statement;
    // Plain DISTINCT is a list with one empty node; DISTINCT ON has expressions in it.
    if ((distinctClause ?? []).some((node) => Object.keys(node).length > 0)) refuse();
    return {
      kind: 'select' as const,
      distinct: distinctClause !== undefined,
      targets: (targetList ?? []).map((node) => this.#target(node)),
      from: (fromClause ?? []).map((node) => this.#source(node)),
      where: whereClause === undefined ? null : this.#expression(whereClause),
      groupBy: (groupClause ?? []).map((node) => this.#position(node)),
      having: havingClause === undefined ? null : this.#expression(havingClause),
      locking: (lockingClause ?? []).map(locking),
    };
  }

  /** `ORDER BY 2` names a column of the list: the number is structure. */
  #position(node: Node): Expression {
    return 'A_Const' in node ? constant(node.A_Const) : this.#expression(node);
  }

  /** LIMIT ALL and OFFSET NULL are no limit. Lengths of pages are structure. */
  #pageLength(node: Node | undefined): Expression | null {
    if (node === undefined || ('A_Const' in node && node.A_Const.isnull === true)) return null;
    return 'A_Const' in node ? constant(node.A_Const) : this.#expression(node);
  }

  #common(node: Node): CommonTable {
    if (!('CommonTableExpr' in node)) refuse();
    const { ctename, ctematerialized, ctequery } = node.CommonTableExpr;
    only(node.CommonTableExpr, ['ctename', 'ctematerialized', 'ctequery', 'location']);
    if (ctename === undefined || ctequery === undefined || !('SelectStmt' in ctequery)) refuse();
    const materialized = { CTEMaterializeAlways: true, CTEMaterializeNever: false }[ctematerialized as string] ?? null;
    return { name: ctename, materialized, query: this.query(ctequery.SelectStmt) };
  }

  #target(node: Node): Target {
    if (!('ResTarget' in node)) refuse();
    const { name, val } = node.ResTarget;
    only(node.ResTarget, ['name', 'val', 'location']);
    return { expression: this.#expression(val ?? refuse()), name: name ?? null };
  }

  #source(node: Node): Source {
    if ('RangeVar' in node) {
      only(node.RangeVar, ['schemaname', 'relname', 'inh', 'relpersistence', 'alias', 'location']);
      const { schemaname, relname, inh, alias } = node.RangeVar;
      if (inh !== true || alias?.colnames !== undefined) refuse();
      return { kind: 'table', schema: schemaname ?? null, name: relname ?? refuse(), alias: alias?.aliasname ?? null };
    }
    if ('RangeSubselect' in node) {
      const { lateral, subquery, alias } = node.RangeSubselect;
      if (subquery === undefined || !('SelectStmt' in subquery) || alias?.colnames !== undefined) refuse();
      return { kind: 'derived', lateral: lateral === true, query: this.query(subquery.SelectStmt), alias: alias?.aliasname ?? refuse() };
    }
    return 'JoinExpr' in node ? this.#join(node.JoinExpr) : refuse();
  }

  #join({ jointype, isNatural, larg, rarg, usingClause, quals, alias, join_using_alias }: JoinExpr): Source {
    if (isNatural === true || alias !== undefined || join_using_alias !== undefined) refuse();
    const using = (usingClause ?? []).map((node) => ('String' in node ? (node.String.sval ?? refuse()) : refuse()));
    const left = this.#source(larg ?? refuse());
    const right = this.#source(rarg ?? refuse());
    const on = quals === undefined ? null : this.#expression(quals);
    const named = { JOIN_INNER: 'INNER', JOIN_LEFT: 'LEFT', JOIN_RIGHT: 'RIGHT', JOIN_FULL: 'FULL' }[jointype as string] ?? refuse();
    const type = named === 'INNER' && on === null && using.length === 0 ? 'CROSS' : (named as 'INNER');
    return { kind: 'join', type, left, right, on, using };
  }

  #sortKey(node: Node): SortKey {
    if (!('SortBy' in node)) refuse();
    const { node: sorted, sortby_dir, sortby_nulls, useOp }: SortBy = node.SortBy;
    if (useOp !== undefined || sortby_dir === 'SORTBY_USING') refuse();
    const nulls = { SORTBY_NULLS_FIRST: 'FIRST', SORTBY_NULLS_LAST: 'LAST' }[sortby_nulls as string] ?? null;
    return {
      expression: this.#position(sorted ?? refuse()),
      descending: sortby_dir === 'SORTBY_DESC',
      nulls: nulls as SortKey['nulls'],
    };
  }

  #expression(node: Node): Expression {
    if ('ColumnRef' in node) return column(node);
    if ('ParamRef' in node) return { kind: 'parameter', number: node.ParamRef.number ?? refuse() };
    if ('A_Const' in node) return this.#constant(node.A_Const);
    if ('TypeCast' in node) {
      const { arg, typeName } = node.TypeCast;
      return { kind: 'cast', operand: this.#expression(arg ?? refuse()), type: typeSql(typeName ?? refuse()) };
    }
    if ('A_Expr' in node) return this.#operation(node.A_Expr);
    if ('BoolExpr' in node) {
      const { boolop, args } = node.BoolExpr;
      const operands = (args ?? []).map((operand) => this.#expression(operand));
      if (boolop === 'NOT_EXPR') return { kind: 'not', operand: operands[0] ?? refuse() };
      return { kind: 'logic', operator: boolop === 'AND_EXPR' ? 'AND' : 'OR', operands };
    }
    if ('NullTest' in node) {
      const { arg, nulltesttype } = node.NullTest;
      return { kind: 'test', test: nulltesttype === 'IS_NULL' ? 'IS NULL' : 'IS NOT NULL', operand: this.#expression(arg ?? refuse()) };
    }
    if ('BooleanTest' in node) {
      const { arg, booltesttype } = node.BooleanTest;
      return { kind: 'test', test: String(booltesttype).replaceAll('_', ' '), operand: this.#expression(arg ?? refuse()) };
    }
    if ('FuncCall' in node) return this.#call(node.FuncCall);
    if ('SubLink' in node) return this.#subquery(node.SubLink);
    if ('CoalesceExpr' in node) return { kind: 'special-call', name: 'COALESCE', arguments: this.#list(node.CoalesceExpr.args) };
    if ('MinMaxExpr' in node) {
      const { op, args } = node.MinMaxExpr;
      return { kind: 'special-call', name: op === 'IS_GREATEST' ? 'GREATEST' : 'LEAST', arguments: this.#list(args) };
    }
    if ('CaseExpr' in node) {
      const { arg, args, defresult } = node.CaseExpr;
      return {
        kind: 'case',
        operand: arg === undefined ? null : this.#expression(arg),
        branches: (args ?? []).map((branch) => {
          if (!('CaseWhen' in branch)) refuse();
          const { expr, result } = branch.CaseWhen;
          return { when: this.#expression(expr ?? refuse()), result: this.#expression(result ?? refuse()) };
        }),
        otherwise: defresult === undefined ? null : this.#expression(defresult),
      };
    }
    if ('A_ArrayExpr' in node) return { kind: 'array', items: this.#list(node.A_ArrayExpr.elements) };
    if ('RowExpr' in node) return { kind: 'row', items: this.#list(node.RowExpr.args) };
    if ('SQLValueFunction' in node) return { kind: 'keyword', sql: keyword(node.SQLValueFunction) };
    return refuse();
  }

  #list(nodes: readonly Node[] | undefined): readonly Expression[] {
    return (nodes ?? []).map((node) => this.#expression(node));
  }

  #constant(found: A_Const): ConstantExpression {
    const read = constant(found);
    const isStructure = read.type === 'boolean' || read.type === 'null' || read.value === '0' || read.value === '1';
    if (isStructure) return read;
    this.#placeholder += 1;
    return { ...read, placeholder: this.#placeholder };
  }

  #operation({ kind, name, lexpr, rexpr }: A_Expr): Expression {
    const symbols = (name ?? []).map((part) => ('String' in part ? (part.String.sval ?? refuse()) : refuse()));
    const [symbol] = symbols;
    if (symbol === undefined || symbols.length > 1 || rexpr === undefined) refuse();
    const left = lexpr === undefined ? null : this.#expression(lexpr);
    const binary = (operator: string): Expression => ({ kind: 'operation', operator, left, right: this.#expression(rexpr) });
    switch (kind) {
      case 'AEXPR_OP':
        return binary(symbol);
      case 'AEXPR_LIKE':
        return binary(symbol === '~~' ? 'LIKE' : 'NOT LIKE');
      case 'AEXPR_ILIKE':
        return binary(symbol === '~~*' ? 'ILIKE' : 'NOT ILIKE');
      case 'AEXPR_DISTINCT':
        return binary('IS DISTINCT FROM');
      case 'AEXPR_NOT_DISTINCT':
        return binary('IS NOT DISTINCT FROM');
      case 'AEXPR_NULLIF':
        return { kind: 'special-call', name: 'NULLIF', arguments: [left ?? refuse(), this.#expression(rexpr)] };
      case 'AEXPR_IN':
        return { kind: 'in', negated: symbol === '<>', operand: left ?? refuse(), items: this.#list(listOf(rexpr)) };
      case 'AEXPR_OP_ANY':
      case 'AEXPR_OP_ALL': {
        const quantifier = kind === 'AEXPR_OP_ANY' ? 'ANY' : 'ALL';
        return { kind: 'quantified', operator: symbol, quantifier, left: left ?? refuse(), right: this.#expression(rexpr) };
      }
      case 'AEXPR_BETWEEN':
      case 'AEXPR_NOT_BETWEEN':
      case 'AEXPR_BETWEEN_SYM':
      case 'AEXPR_NOT_BETWEEN_SYM': {
        const [low, high] = this.#list(listOf(rexpr));
        const [negated, symmetric] = [kind.includes('NOT'), kind.endsWith('SYM')];
        return { kind: 'between', negated, symmetric, operand: left ?? refuse(), low: low ?? refuse(), high: high ?? refuse() };
      }
      default:
        return refuse();
    }
  }

  #call(call: FuncCall): Expression {
    only(call, ['funcname', 'args', 'agg_star', 'agg_distinct', 'agg_order', 'agg_filter', 'funcformat', 'location']);
    const parts = (call.funcname ?? []).map((part) => ('String' in part ? (part.String.sval ?? refuse()) : refuse()));
    const [name, schema, ...others] = parts.toReversed();
    if (name === undefined || others.length > 0) refuse();
    const given = (call.args ?? []).map((argument, at) => {
      const isUnit = at === 0 && /^(?:extract|date_part|date_trunc|date_bin)$/u.test(name) && 'A_Const' in argument;
      return isUnit ? constant(argument.A_Const) : this.#expression(argument);
    });
    return {
      kind: 'function',
      schema: schema ?? null,
      name,
      arguments: given,
      star: call.agg_star === true,
      distinct: call.agg_distinct === true,
      orderBy: (call.agg_order ?? []).map((key) => this.#sortKey(key)),
      filter: call.agg_filter === undefined ? null : this.#expression(call.agg_filter),
    };
  }

  #subquery({ subLinkType, testexpr, operName, subselect }: SubLink): Expression {
    if (subselect === undefined || !('SelectStmt' in subselect)) refuse();
    const form =
      ({ EXISTS_SUBLINK: 'exists', EXPR_SUBLINK: 'scalar', ARRAY_SUBLINK: 'array', ANY_SUBLINK: 'any', ALL_SUBLINK: 'all' } as const)[
        subLinkType as 'EXISTS_SUBLINK'
      ] ?? refuse();
    const operand = testexpr === undefined ? null : this.#expression(testexpr);
    const symbols = (operName ?? []).map((part) => ('String' in part ? (part.String.sval ?? refuse()) : refuse()));
    if (symbols.length > 1) refuse();
    return { kind: 'subquery', form, operand, operator: symbols[0] ?? null, query: this.query(subselect.SelectStmt) };
  }
}

function listOf(node: Node): readonly Node[] {
  return 'List' in node ? (node.List.items ?? []) : refuse();
}

function column(node: Extract<Node, { ColumnRef: unknown }>): Expression {
  const parts = nameParts(node.ColumnRef);
  const [name, qualifier, ...others] = parts.toReversed();
  if (name === undefined || others.length > 0) refuse();
  return { kind: 'column', qualifier: qualifier ?? null, name };
}

function constant(found: A_Const): ConstantExpression {
  const { isnull, sval, boolval, ival, fval, bsval } = found;
  const of = (type: ConstantExpression['type'], value: string): ConstantExpression => ({
    kind: 'constant',
    type,
    value,
    placeholder: null,
  });
  if (isnull === true) return of('null', 'NULL');
  if (sval !== undefined) return of('text', sval.sval ?? '');
  if (boolval !== undefined) return of('boolean', String(boolval.boolval ?? false));
  if (ival !== undefined) return of('number', String(ival.ival ?? 0));
  if (bsval !== undefined) return of('bits', `${bsval.bsval?.slice(0, 1) ?? 'b'}'${bsval.bsval?.slice(1) ?? ''}'`);
  return of('number', fval?.fval ?? refuse());
}

function typeSql({ names, typmods, arrayBounds, setof, pct_type }: TypeName): string {
  if (setof === true || pct_type === true) refuse();
  const parts = (names ?? []).map((part) => ('String' in part ? (part.String.sval ?? refuse()) : refuse()));
  const name = parts[0] === 'pg_catalog' && parts.length > 1 ? parts.slice(1) : parts;
  // INTERVAL's modifiers are bit masks.
  if (name.length === 0 || (name[0] === 'interval' && typmods !== undefined)) refuse();
  const modifiers = (typmods ?? []).map((node) => ('A_Const' in node ? constant(node.A_Const).value : refuse()));
  const bounds = '[]'.repeat(arrayBounds?.length ?? 0);
  return `${name.map(quoteIdentifier).join('.')}${modifiers.length === 0 ? '' : `(${modifiers.join(', ')})`}${bounds}`;
}

function keyword({ op, typmod }: SQLValueFunction): string {
  if ((typmod ?? -1) !== -1 || String(op).endsWith('_N')) refuse();
  return String(op).replace(/^SVFOP_/u, '');
}

function locking(node: Node): string {
  if (!('LockingClause' in node)) refuse();
  const { strength, waitPolicy, lockedRels } = node.LockingClause;
  const lock = { LCS_FORUPDATE: 'UPDATE', LCS_FORNOKEYUPDATE: 'NO KEY UPDATE', LCS_FORSHARE: 'SHARE', LCS_FORKEYSHARE: 'KEY SHARE' }[
    strength as string
  ];
  const wait = { LockWaitSkip: ' SKIP LOCKED', LockWaitError: ' NOWAIT' }[waitPolicy as string] ?? '';
  const names = (lockedRels ?? []).map((table) => ('RangeVar' in table ? quoteIdentifier(table.RangeVar.relname ?? refuse()) : refuse()));
  return `FOR ${lock ?? refuse()}${names.length === 0 ? '' : ` OF ${names.join(', ')}`}${wait}`;
}
