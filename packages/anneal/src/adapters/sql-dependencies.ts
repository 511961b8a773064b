import type { Node, RangeVar } from 'libpg-query';
import type { NamedTable, StatementDependencies } from '../ports/sql-parser.ts';

type Statement = Extract<
  Node,
  { readonly SelectStmt: unknown } | { readonly InsertStmt: unknown } | { readonly UpdateStmt: unknown } | { readonly DeleteStmt: unknown }
>;

/** Text that PostgreSQL reads as a moment of its own choice (manual, section "Special Values"). */
const momentary: ReadonlySet<string> = new Set(['now', 'today', 'tomorrow', 'yesterday']);

/** Null for anything but the four plain statements, and for syntax whose inputs cannot be told. */
export function dependenciesOf(statement: Node): StatementDependencies | null {
  if (!('SelectStmt' in statement || 'InsertStmt' in statement || 'UpdateStmt' in statement || 'DeleteStmt' in statement)) return null;
  const found = new Found();
  found.visit(statement);
  if (found.untold) return null;
  return {
    reads: found.reads.map((table) => ({
      ...named(table),
      keys: found.commonTables.includes(table.relname ?? '') ? [] : keysOf(statement, table, found.reads.length === 1),
    })),
    writes: found.writes.map(({ table, action, assigned }) => ({
      ...named(table),
      action,
      assigned,
      keys: found.writes.length === 1 && found.reads.length === 0 ? keysOf(statement, table, true) : [],
    })),
    commonTables: found.commonTables,
    functions: found.functions,
    momentary: found.momentary,
    locks: found.locks,
  };
}

class Found {
  readonly reads: RangeVar[] = [];
  readonly writes: { readonly table: RangeVar; readonly action: 'insert' | 'update' | 'delete'; readonly assigned: readonly string[] }[] =
    [];
  readonly commonTables: string[] = [];
  readonly functions: { readonly schema: string | null; readonly name: string }[] = [];
  momentary = false;
  locks = false;
  untold = false;

  visit(node: unknown): void {
    if (typeof node !== 'object' || node === null) return;
    if (Array.isArray(node)) {
      for (const part of node) this.visit(part);
      return;
    }
    for (const [kind, value] of Object.entries(node)) this.#node(kind, value as Readonly<Record<string, unknown>>);
  }

  #node(kind: string, value: Readonly<Record<string, unknown>>): void {
    switch (kind) {
      case 'RangeVar':
        this.reads.push(value);
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt': {
        const { relation, ...rest } = value;
        this.#writes(kind, relation as RangeVar, rest);
        this.visit(rest);
        return;
      }
      case 'MergeStmt':
      case 'RangeTableSample':
      case 'intoClause':
        this.untold = true;
        return;
      case 'CommonTableExpr':
        this.commonTables.push(String(value['ctename']));
        break;
      case 'FuncCall': {
        const parts = partsOf(value['funcname'] as readonly Node[]);
        this.functions.push({ schema: parts.length > 1 ? parts.at(-2)! : null, name: parts.at(-1) ?? '' });
        break;
      }
      case 'SQLValueFunction':
        this.momentary = true;
        break;
      case 'lockingClause':
        this.locks = true;
        break;
      case 'sval':
        if (momentary.has(String((value as { readonly sval?: unknown }).sval).toLowerCase())) this.momentary = true;
        break;
    }
    this.visit(value);
  }

  #writes(kind: string, table: RangeVar, rest: Readonly<Record<string, unknown>>): void {
    const action = kind === 'InsertStmt' ? 'insert' : kind === 'UpdateStmt' ? 'update' : 'delete';
    const targets = (action === 'update' ? rest['targetList'] : []) as readonly { readonly ResTarget?: { readonly name?: string } }[];
    this.writes.push({ table, action, assigned: targets.map(({ ResTarget }) => ResTarget?.name ?? '') });
    // INSERT ... ON CONFLICT DO UPDATE does both.
    if (rest['onConflictClause'] !== undefined) this.writes.push({ table, action: 'update', assigned: ['*'] });
  }
}

function named({ schemaname, relname }: RangeVar): NamedTable {
  return { schema: schemaname ?? null, name: relname ?? '' };
}

/** `column = $n` among the conditions that all have to hold, of this table's column: then no other row of it matters. */
function keysOf(statement: Statement, table: RangeVar, alone: boolean): readonly { readonly column: string; readonly parameter: number }[] {
  const body = Object.values(statement)[0] as { readonly whereClause?: Node; readonly op?: string; readonly fromClause?: readonly Node[] };
  if (body.op !== undefined && body.op !== 'SETOP_NONE') return [];
  const label = table.alias?.aliasname ?? table.relname;
  if (table.alias?.colnames !== undefined) return [];
  // Of a table inside of a subquery the outermost conditions say nothing.
  if ('SelectStmt' in statement && !tablesOf(body.fromClause).includes(table)) return [];
  return conditionsOf(body.whereClause).flatMap((condition) => {
    if (!('A_Expr' in condition) || condition.A_Expr.kind !== 'AEXPR_OP') return [];
    const { name, lexpr, rexpr } = condition.A_Expr;
    if (partsOf(name ?? []).join('.') !== '=' || lexpr === undefined || rexpr === undefined) return [];
    const [column, parameter] = 'ParamRef' in rexpr ? [lexpr, rexpr] : [rexpr, lexpr];
    if (!('ColumnRef' in column) || !('ParamRef' in parameter) || parameter.ParamRef.number === undefined) return [];
    const parts = partsOf(column.ColumnRef.fields ?? []);
    const ours = parts.length === 1 ? alone : parts.length === 2 && parts[0] === label;
    return ours ? [{ column: parts.at(-1)!, parameter: parameter.ParamRef.number }] : [];
  });
}

function conditionsOf(node: Node | undefined): readonly Node[] {
  if (node === undefined) return [];
  if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') return (node.BoolExpr.args ?? []).flatMap(conditionsOf);
  return [node];
}

/** The tables of a FROM itself and of its joins. */
function tablesOf(from: readonly Node[] | undefined): readonly RangeVar[] {
  return (from ?? []).flatMap((node) => {
    if ('RangeVar' in node) return [node.RangeVar];
    if (!('JoinExpr' in node)) return [];
    return tablesOf([node.JoinExpr.larg, node.JoinExpr.rarg].filter((side) => side !== undefined));
  });
}

function partsOf(names: readonly Node[]): readonly string[] {
  return names.map((name) => ('String' in name ? (name.String.sval ?? '') : '*'));
}
