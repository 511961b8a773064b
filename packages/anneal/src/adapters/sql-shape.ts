import type {
  A_Expr,
  BoolExpr,
  ColumnRef,
  JoinExpr,
  Node,
  RangeVar,
  ResTarget,
  SelectStmt,
  SortBy,
  SubLink,
  WithClause,
} from 'libpg-query';
import type { ColumnUse, JoinShape, OrderKey, PredicateShape, StatementShape, TableReference } from '../ports/sql-parser.ts';
import { columnName, columnsIn, constantSql, expressionSql, nameParts } from './sql-expression.ts';

/** Reads one statement's parse tree. Every level of subqueries and CTEs counts; a name means what its own level makes of it. */
export function shapeOf(statement: Node): StatementShape {
  const reading = new Reading();
  return reading.shape(reading.statement(statement, outermost));
}

/** What one level of the query can name. */
interface Scope {
  /** Label by the name the level uses; `derived` labels stand for subqueries and CTEs. */
  readonly sources: Map<string, string>;
  /** Names of CTEs in force, which hide tables of the same name. */
  readonly derived: ReadonlySet<string>;
  readonly parent: Scope | null;
}

interface Select {
  orderBy: readonly OrderKey[];
  readonly limited: boolean;
  aggregates: boolean;
  readonly groups: boolean;
}

const outermost: Scope = { sources: new Map(), derived: new Set(), parent: null };

class Reading {
  readonly #tables: TableReference[] = [];
  readonly #predicates: PredicateShape[] = [];
  readonly #joins: JoinShape[] = [];
  readonly #assigned = new Set<string>();
  readonly #columns = new Map<string, ColumnUse>();
  /** In order of depth-first reading: the outermost first. */
  readonly #selects: Select[] = [];
  /** The SELECT being read. */
  #current: Select | null = null;
  #hasOffset = false;
  #offsetParameter: number | null = null;
  #selectsStar = false;

  shape(kind: StatementShape['kind']): StatementShape {
    // The page, wherever it is taken; without one the outermost SELECT speaks for the statement.
    const select = this.#selects.find(({ limited, orderBy }) => limited && orderBy.length > 0) ?? this.#selects[0];
    return {
      kind,
      tables: this.#tables,
      predicates: this.#predicates,
      joins: this.#joins,
      orderBy: select?.orderBy ?? [],
      hasLimit: this.#selects.some(({ limited }) => limited),
      hasOffset: this.#hasOffset,
      offsetParameter: this.#offsetParameter,
      selectsStar: this.#selectsStar,
      aggregates: select?.aggregates ?? false,
      groups: select?.groups ?? false,
      assignedColumns: [...this.#assigned],
      columns: [...this.#columns.values()],
    };
  }

  statement(node: Node, parent: Scope): StatementShape['kind'] {
    if ('SelectStmt' in node) {
      this.#select(node.SelectStmt, parent);
      return 'select';
    }
    if ('InsertStmt' in node) {
      const { relation, selectStmt, onConflictClause, returningClause, withClause } = node.InsertStmt;
      const scope = this.#level(parent, withClause);
      this.#relation(relation, scope);
      // The source sees the CTEs, not the table that is written.
      this.#expression(selectStmt, { ...scope, sources: new Map() });
      this.#assign(onConflictClause?.targetList, scope);
      this.#condition(onConflictClause?.whereClause, scope);
      this.#targets(returningClause?.exprs, scope);
      return 'insert';
    }
    if ('UpdateStmt' in node) {
      const { relation, targetList, fromClause, whereClause, returningClause, withClause } = node.UpdateStmt;
      const scope = this.#level(parent, withClause);
      this.#relation(relation, scope);
      for (const item of fromClause ?? []) this.#from(item, scope);
      this.#assign(targetList, scope);
      this.#condition(whereClause, scope);
      this.#targets(returningClause?.exprs, scope);
      return 'update';
    }
    if ('DeleteStmt' in node) {
      const { relation, usingClause, whereClause, returningClause, withClause } = node.DeleteStmt;
      const scope = this.#level(parent, withClause);
      this.#relation(relation, scope);
      for (const item of usingClause ?? []) this.#from(item, scope);
      this.#condition(whereClause, scope);
      this.#targets(returningClause?.exprs, scope);
      return 'delete';
    }
    return 'other';
  }

  /** Opens a level. CTEs are read in the order in which they may refer to each other. */
  #level(parent: Scope, withClause: WithClause | undefined): Scope {
    const derived = new Set(parent.derived);
    for (const node of withClause?.ctes ?? []) {
      if (!('CommonTableExpr' in node)) continue;
      const { ctename, ctequery } = node.CommonTableExpr;
      if (withClause?.recursive === true && ctename !== undefined) derived.add(ctename);
      if (ctequery !== undefined) this.statement(ctequery, { sources: new Map(), derived: new Set(derived), parent });
      if (ctename !== undefined) derived.add(ctename);
    }
    return { sources: new Map(), derived, parent };
  }

  #select(statement: SelectStmt, parent: Scope): Scope {
    // The place is taken before anything nested is read, so that the outer level stays in front.
    const limited = statement.limitCount !== undefined && !isNullConstant(statement.limitCount);
    const select: Select = { orderBy: [], limited, aggregates: false, groups: (statement.groupClause ?? []).length > 0 };
    this.#selects.push(select);
    const scope = this.#level(parent, statement.withClause);
    for (const side of [statement.larg, statement.rarg]) {
      if (side !== undefined) this.#select(side, scope);
    }
    for (const item of statement.fromClause ?? []) this.#from(item, scope);
    const enclosing = this.#current;
    this.#current = select;
    this.#targets(statement.targetList, scope);
    this.#condition(statement.whereClause, scope);
    this.#expression(statement.havingClause, scope);
    this.#expression(statement.valuesLists, scope);
    this.#expression(statement.sortClause, scope);
    this.#grouped([...(statement.groupClause ?? []), ...(statement.distinctClause ?? [])], statement.targetList ?? [], scope);
    select.orderBy = this.#orderKeys(statement, scope);
    this.#current = enclosing;
    this.#offset(statement.limitOffset);
    return scope;
  }

  #relation(relation: RangeVar | undefined, scope: Scope): void {
    if (relation !== undefined) this.#from({ RangeVar: relation }, scope);
  }

  #from(item: Node, scope: Scope): void {
    if ('RangeVar' in item) {
      const { schemaname, relname, alias } = item.RangeVar;
      if (relname === undefined) return;
      const name = alias?.aliasname ?? relname;
      if (schemaname === undefined && scope.derived.has(relname)) scope.sources.set(name, name);
      else scope.sources.set(name, this.#table(schemaname ?? null, relname, alias?.aliasname ?? null));
    } else if ('JoinExpr' in item) {
      this.#join(item.JoinExpr, scope);
    } else if ('RangeSubselect' in item) {
      const { subquery, alias, lateral } = item.RangeSubselect;
      if (subquery !== undefined && 'SelectStmt' in subquery) {
        this.#select(subquery.SelectStmt, lateral === true ? scope : { ...scope, sources: new Map() });
      }
      scope.sources.set(alias?.aliasname ?? '', alias?.aliasname ?? '');
    } else if ('RangeFunction' in item) {
      const name = item.RangeFunction.alias?.aliasname ?? '';
      scope.sources.set(name, name);
    }
  }

  #targets(list: readonly Node[] | undefined, scope: Scope): void {
    for (const node of list ?? []) {
      if (!('ResTarget' in node)) continue;
      const value = node.ResTarget.val;
      if (value !== undefined && 'ColumnRef' in value && isStar(value.ColumnRef)) this.#selectsStar = true;
      this.#expression(value, scope);
    }
  }

  #assign(list: readonly Node[] | undefined, scope: Scope): void {
    for (const node of list ?? []) {
      if (!('ResTarget' in node)) continue;
      if (node.ResTarget.name !== undefined) this.#assigned.add(node.ResTarget.name);
      this.#expression(node.ResTarget.val, scope);
    }
  }

  /** Anything that is no condition: only its subqueries and aggregates matter. */
  #expression(node: unknown, scope: Scope): void {
    if (Array.isArray(node)) for (const item of node) this.#expression(item, scope);
    else if (typeof node === 'object' && node !== null) {
      if ('SelectStmt' in node) {
        this.#select(node.SelectStmt as SelectStmt, scope);
        return;
      }
      if ('SubLink' in node) {
        this.#subquery(node.SubLink as SubLink, scope);
        return;
      }
      if ('ColumnRef' in node) this.#use(node.ColumnRef as ColumnRef, 'read', scope);
      if ('FuncCall' in node && isAggregate(node as Extract<Node, { FuncCall: unknown }>) && this.#current !== null)
        this.#current.aggregates = true;
      for (const value of Object.values(node)) this.#expression(value, scope);
    }
  }

  #use(column: ColumnRef, role: ColumnUse['role'], scope: Scope): void {
    const name = columnName(column);
    if (name === null) return;
    const use = { qualifier: this.#qualifier(column, scope), column: name, role };
    this.#columns.set(JSON.stringify(use), use);
  }

  /** `GROUP BY 1` and `GROUP BY alias` mean an entry of the select list, `DISTINCT` all of them. */
  #grouped(clause: readonly Node[], targets: readonly Node[], scope: Scope): void {
    const entries = targets.flatMap((target) =>
      'ResTarget' in target && target.ResTarget.val !== undefined ? [target.ResTarget.val] : [],
    );
    for (const node of clause) {
      // An empty node is what the parser makes of DISTINCT without ON.
      const meant = Object.keys(node).length === 0 ? entries : [resolveAlias({ node }, targets) ?? node];
      for (const item of meant) {
        if ('ColumnRef' in item) this.#use(item.ColumnRef, 'grouped', scope);
        this.#expression(item, scope);
      }
    }
  }

  #condition(node: Node | undefined, scope: Scope, alternative = false): void {
    if (node === undefined) return;
    if ('BoolExpr' in node) this.#combination(node.BoolExpr, scope, alternative);
    else {
      const found = conditionOf(node);
      if (found?.kind === 'join') this.#addJoin(found.left, found.right, scope);
      else if (found?.kind === 'predicate') this.#addPredicate(found, scope, alternative);
      this.#expression(node, scope);
    }
  }

  #combination({ boolop, args }: BoolExpr, scope: Scope, alternative: boolean): void {
    if (boolop === 'AND_EXPR') {
      for (const arg of args ?? []) this.#condition(arg, scope, alternative);
    } else if (boolop === 'OR_EXPR') {
      for (const arg of args ?? []) this.#condition(arg, scope, true);
    } else {
      // NOT of a boolean column is a condition an index can hold; NOT of anything else is not.
      const inner = args?.[0];
      if (inner !== undefined && 'ColumnRef' in inner) {
        this.#addPredicate({ side: inner, operator: '=', constant: 'false' }, scope, alternative);
      }
      this.#expression(args, scope);
    }
  }

  #addPredicate(found: Omit<FoundPredicate, 'kind'>, scope: Scope, alternative: boolean): void {
    const expression = expressionSql(found.side);
    const columns = columnsIn(found.side);
    if (expression === null || columns.length === 0) return;
    const qualifiers = new Set(columns.map((column) => this.#qualifier(column, scope)));
    if (qualifiers.size > 1) return;
    const names = new Set(columns.map((column) => columnName(column)));
    this.#predicates.push({
      qualifier: [...qualifiers][0] ?? null,
      column: names.size === 1 ? ([...names][0] ?? null) : null,
      expression,
      operator: found.operator,
      constant: found.constant,
      ...(alternative && { alternative }),
    });
  }

  #addJoin(left: ColumnRef, right: ColumnRef, scope: Scope): void {
    const [leftColumn, rightColumn] = [columnName(left), columnName(right)];
    if (leftColumn === null || rightColumn === null) return;
    this.#joins.push({
      left: { qualifier: this.#qualifier(left, scope), column: leftColumn },
      right: { qualifier: this.#qualifier(right, scope), column: rightColumn },
    });
  }

  #join({ larg, rarg, quals, usingClause }: JoinExpr, scope: Scope): void {
    const before = new Set(scope.sources.keys());
    if (larg !== undefined) this.#from(larg, scope);
    const left = [...scope.sources.keys()].filter((name) => !before.has(name));
    if (rarg !== undefined) this.#from(rarg, scope);
    const right = [...scope.sources.keys()].filter((name) => !before.has(name) && !left.includes(name));
    for (const node of usingClause ?? []) {
      if (!('String' in node) || node.String.sval === undefined) continue;
      const label = (names: readonly string[]) => (names.length === 1 ? (scope.sources.get(names[0]!) ?? null) : null);
      const column = node.String.sval;
      this.#joins.push({ left: { qualifier: label(left), column }, right: { qualifier: label(right), column } });
      for (const side of [left, right])
        this.#columns.set(`using ${label(side)} ${column}`, { qualifier: label(side), column, role: 'read' });
    }
    this.#condition(quals, scope);
  }

  /** `x IN (SELECT y ...)` joins x to y; every subquery is a level of its own. */
  #subquery({ testexpr, subselect, subLinkType, operName }: SubLink, scope: Scope): void {
    this.#expression(testexpr, scope);
    if (subselect === undefined || !('SelectStmt' in subselect)) return;
    const star = this.#selectsStar;
    const inner = this.#select(subselect.SelectStmt, scope);
    if (subLinkType === 'EXISTS_SUBLINK') this.#selectsStar = star;
    const target = firstTarget(subselect.SelectStmt);
    if (subLinkType !== 'ANY_SUBLINK' || operName !== undefined || testexpr === undefined) return;
    if (!('ColumnRef' in testexpr) || target === undefined || !('ColumnRef' in target)) return;
    const [left, right] = [columnName(testexpr.ColumnRef), columnName(target.ColumnRef)];
    if (left === null || right === null) return;
    this.#joins.push({
      left: { qualifier: this.#qualifier(testexpr.ColumnRef, scope), column: left },
      right: { qualifier: this.#qualifier(target.ColumnRef, inner), column: right },
    });
  }

  #table(schema: string | null, name: string, alias: string | null): string {
    const known = this.#tables.find((table) => (table.alias ?? table.name) === (alias ?? name));
    const same = known !== undefined && known.schema === schema && known.name === name;
    if (same) return alias ?? name;
    // Two levels may use one alias for different tables: the second is then called by its own name.
    const free = known === undefined;
    if (!free && this.#tables.some((table) => table.name === name && table.schema === schema && table.alias === null)) return name;
    this.#tables.push({ schema, name, alias: free ? alias : null });
    return free ? (alias ?? name) : name;
  }

  /** Null where a column without a qualifier could belong to several sources. */
  #qualifier(column: ColumnRef, scope: Scope): string | null {
    const parts = nameParts(column);
    const written = parts.length > 1 ? parts.at(-2)! : null;
    if (written === null) return scope.sources.size === 1 ? ([...scope.sources.values()][0] ?? null) : null;
    for (let level: Scope | null = scope; level !== null; level = level.parent) {
      const label = level.sources.get(written);
      if (label !== undefined) return label;
    }
    return written;
  }

  #orderKeys(statement: SelectStmt, scope: Scope): readonly OrderKey[] {
    return (statement.sortClause ?? []).flatMap((node) => {
      if (!('SortBy' in node)) return [];
      const sorted = resolveAlias(node.SortBy, statement.targetList ?? []);
      if (sorted === null) return [];
      const expression = expressionSql(sorted);
      const [column] = columnsIn(sorted);
      if (expression === null || column === undefined) return [{ qualifier: null, expression: '?', direction: direction(node.SortBy) }];
      return [{ qualifier: this.#qualifier(column, scope), expression, direction: direction(node.SortBy) }];
    });
  }

  #offset(node: Node | undefined): void {
    if (node === undefined || isNullConstant(node)) return;
    if ('A_Const' in node && (node.A_Const.ival?.ival ?? 0) === 0 && node.A_Const.sval === undefined && node.A_Const.fval === undefined)
      return;
    this.#hasOffset = true;
    const parameter = parameterIn(node);
    if (parameter !== null) this.#offsetParameter ??= parameter;
  }
}

interface FoundPredicate {
  readonly kind: 'predicate';
  /** The side an index would hold. */
  readonly side: Node;
  readonly operator: PredicateShape['operator'];
  readonly constant: string | null;
}
interface FoundJoin {
  readonly kind: 'join';
  readonly left: ColumnRef;
  readonly right: ColumnRef;
}

function conditionOf(node: Node): FoundPredicate | FoundJoin | null {
  if ('ColumnRef' in node) return { kind: 'predicate', side: node, operator: '=', constant: 'true' };
  if ('BooleanTest' in node) {
    const constant = { IS_TRUE: 'true', IS_FALSE: 'false' }[node.BooleanTest.booltesttype as string];
    return constant === undefined || node.BooleanTest.arg === undefined
      ? null
      : { kind: 'predicate', side: node.BooleanTest.arg, operator: '=', constant };
  }
  if ('NullTest' in node) {
    const operator = node.NullTest.nulltesttype === 'IS_NULL' ? 'is null' : 'is not null';
    return node.NullTest.arg === undefined ? null : { kind: 'predicate', side: node.NullTest.arg, operator, constant: null };
  }
  return 'A_Expr' in node ? comparison(node.A_Expr) : null;
}

const commuted: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=', '<@': '@>' };

function comparison({ kind, name, lexpr, rexpr }: A_Expr): FoundPredicate | FoundJoin | null {
  if (lexpr === undefined || rexpr === undefined) return null;
  const last = name?.at(-1);
  const symbol = last !== undefined && 'String' in last ? (last.String.sval ?? '') : '';
  if ('RowExpr' in lexpr) {
    // (a, b) < (x, y) implies a <= x: the first column is what an index can range over.
    const first = lexpr.RowExpr.args?.[0];
    const isRange = kind === 'AEXPR_OP' && /^[<>]=?$/.test(symbol) && first !== undefined && columnsIn(rexpr).length === 0;
    return isRange ? { kind: 'predicate', side: first, operator: symbol.startsWith('<') ? '<=' : '>=', constant: null } : null;
  }
  if (kind === 'AEXPR_OP' && symbol === '=' && 'ColumnRef' in lexpr && 'ColumnRef' in rexpr) {
    return { kind: 'join', left: lexpr.ColumnRef, right: rexpr.ColumnRef };
  }
  const [leftHas, rightHas] = [columnsIn(lexpr).length > 0, columnsIn(rexpr).length > 0];
  if (leftHas === rightHas) return null;
  if (leftHas) return { kind: 'predicate', side: lexpr, operator: operatorOf(kind, symbol), constant: constantOf(rexpr) };
  // `$1 = ANY(tags)` and `'x' LIKE pattern` have no side that could change places.
  if (kind !== 'AEXPR_OP') return { kind: 'predicate', side: rexpr, operator: 'other', constant: null };
  return { kind: 'predicate', side: rexpr, operator: operatorOf(kind, commuted[symbol] ?? 'other'), constant: constantOf(lexpr) };
}

const plainOperators: ReadonlySet<string> = new Set(['=', '<', '<=', '>', '>=', '@>']);

function operatorOf(kind: A_Expr['kind'], symbol: string): PredicateShape['operator'] {
  switch (kind) {
    case 'AEXPR_OP':
      if (/^~\*?$/.test(symbol)) return 'regex';
      if (symbol === '~~') return 'like';
      if (symbol === '~~*') return 'ilike';
      return plainOperators.has(symbol) ? (symbol as PredicateShape['operator']) : 'other';
    case 'AEXPR_IN':
    case 'AEXPR_OP_ANY':
      return symbol === '=' ? 'in' : 'other';
    case 'AEXPR_LIKE':
      return symbol === '~~' ? 'like' : 'other';
    case 'AEXPR_ILIKE':
      return symbol === '~~*' ? 'ilike' : 'other';
    case 'AEXPR_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
      return 'between';
    case 'AEXPR_SIMILAR':
      return 'regex';
    default:
      return 'other';
  }
}

function constantOf(node: Node): string | null {
  if ('A_Const' in node) return constantSql(node.A_Const);
  if ('TypeCast' in node && node.TypeCast.arg !== undefined) return constantOf(node.TypeCast.arg);
  return null;
}

function isNullConstant(node: Node): boolean {
  return 'A_Const' in node && node.A_Const.isnull === true;
}

function parameterIn(node: Node): number | null {
  if ('ParamRef' in node) return node.ParamRef.number ?? null;
  if ('TypeCast' in node) return node.TypeCast.arg === undefined ? null : parameterIn(node.TypeCast.arg);
  if ('A_Expr' in node) {
    const sides = [node.A_Expr.lexpr, node.A_Expr.rexpr].flatMap((side) => (side === undefined ? [] : [parameterIn(side)]));
    return sides.find((side) => side !== null) ?? null;
  }
  return null;
}

function direction({ sortby_dir }: SortBy): OrderKey['direction'] {
  return sortby_dir === 'SORTBY_DESC' ? 'desc' : 'asc';
}

/** `ORDER BY 2` and `ORDER BY alias` mean an entry of the select list. */
function resolveAlias({ node }: SortBy, targets: readonly Node[]): Node | null {
  if (node === undefined) return null;
  const entries = targets.flatMap((target) => ('ResTarget' in target ? [target.ResTarget] : []));
  if ('A_Const' in node) return entries[(node.A_Const.ival?.ival ?? 0) - 1]?.val ?? null;
  if (!('ColumnRef' in node) || nameParts(node.ColumnRef).length !== 1) return node;
  const alias = columnName(node.ColumnRef);
  return entries.find((entry: ResTarget) => entry.name === alias)?.val ?? node;
}

function firstTarget(statement: SelectStmt): Node | undefined {
  const [first] = statement.targetList ?? [];
  return first !== undefined && 'ResTarget' in first ? first.ResTarget.val : undefined;
}

function isStar(column: ColumnRef): boolean {
  return nameParts(column).at(-1) === '*';
}

/** PostgreSQL's built-in aggregates (manual, 9.21); an OVER clause makes a window function of them. */
const aggregateName =
  /^(?:count|sum|avg|min|max|every|bool_(?:and|or)|bit_(?:and|or|xor)|(?:array|string|json|jsonb|json_object|jsonb_object|xml|range)_agg|stddev\w*|var\w+|corr|covar_\w+|regr_\w+|mode|percentile_\w+|any_value|(?:range|json|jsonb)?_?(?:agg_strict|intersect_agg))$/;

function isAggregate({ FuncCall }: Extract<Node, { FuncCall: unknown }>): boolean {
  const last = FuncCall.funcname?.at(-1);
  const name = last !== undefined && 'String' in last ? (last.String.sval ?? '') : '';
  return FuncCall.over === undefined && (FuncCall.agg_star === true || aggregateName.test(name));
}
