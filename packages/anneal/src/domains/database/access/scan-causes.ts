import type { ForeignKeyObservation, TableObservation } from '../../../measurement/observations.ts';
import type { PlanNode } from '../../../ports/planner.ts';
import { columnOf, distinctValues, type IndexCandidate } from '../index-candidates.ts';
import { parseIndexKey, roughSpelling } from '../index-ddl.ts';
import type { AccessOutcome, AccessRule } from './access-outcome.ts';
import { conditionsOn, isIn, roles, type Condition } from './conditions.ts';
import type { PlanScan } from './plan-scans.ts';
import { clearlyCheaper } from './read-cost.ts';
import { candidatesOn, matchingRows, mostOf, readCost, tableOf, type StatementCase } from './statement-case.ts';

/** One scan of a table, and the first of its conditions that alone would make an index pay. */
export function judgeScan(given: StatementCase, scan: PlanScan): readonly AccessOutcome[] {
  const { statement, plan, cost } = given;
  const table = tableOf(given, scan);
  if (table === null) return [];
  const conditions = conditionsOn(given, table).filter((condition) => isIn(scan, condition) || condition.join);
  const [first] = conditions;
  if (first === undefined) return [];
  const silent = (reason: string): readonly AccessOutcome[] => [
    { rule: ruleFor(given, table, first.role, first), statement, silent: reason },
  ];
  const reading = rowsReadBy(given, table, scan);
  if (reading === null) {
    return silent(`${table.name} is read through ${indexNames(scan.node).join(' and ') || 'an index'}`);
  }
  // A descent reads a page of the index and one of the table: that must be less than reading all of it.
  const pages = Math.ceil(table.sizeBytes / given.pageBytes);
  if (pages * cost.sequentialPage <= 2 * cost.randomPage) {
    return silent(
      `${table.name} has ${pages} page(s) and ${Math.round(table.liveRows)} rows: reading them all costs no more than an index look-up`,
    );
  }
  if (scan.costShare < mostOf) {
    return silent(`scanning ${table.name} is ${Math.round(scan.costShare * 100)} % of the plan's cost`);
  }
  const candidates = candidatesOn(given, table);
  for (const role of roles) {
    const group = conditions.filter((condition) => condition.role === role || (role === 'equal' && condition.role === 'range'));
    const found = payingAccess(given, scan, table, role, group);
    if (found === null) continue;
    const { leading } = found;
    const rule = ruleFor(given, table, leading.role, leading);
    const candidate = candidates.find((candidate) => servesRole(candidate, role, group)) ?? null;
    // An OR over several columns needs an index on each, which no single candidate is.
    if (candidate === null && !leading.alternative) {
      const reason = isIndexed(given, table, leading)
        ? `an index on ${leading.key} exists and the planner prefers the scan: its statistics or costs may be off`
        : `no index can serve the condition on ${leading.key}`;
      return [{ rule, statement, silent: reason }];
    }
    const chosen = group.filter((condition) => candidate?.columns.includes(condition.column) ?? condition.alternative);
    const columns = [...new Set((chosen.length > 0 ? chosen : group).map(({ column }) => column))];
    return [
      {
        rule,
        statement,
        plan,
        table,
        columns,
        candidate,
        rowsRead: reading,
        rowsKept: found.rows,
        rowsKeptMeasured: scan.rowsMeasured && found.rows === scan.rows,
        cost: found.current,
        betterCost: found.better,
        costShare: scan.costShare,
        page: null,
        foreignKey: rule === 'missing-foreign-key-index' ? foreignKeyOn(given, table, columns) : null,
      },
    ];
  }
  return silent(
    `its conditions keep ${Math.round(scan.rows)} of ${Math.round(table.liveRows)} rows of ${table.name}: fetching those through an index would cost more than half of the scan`,
  );
}

/** A bitmap's indexes are below the scan of the table. */
function indexNames(node: PlanNode): readonly string[] {
  return [...(node['Index Name'] === undefined ? [] : [`the index ${node['Index Name']}`]), ...(node.Plans ?? []).flatMap(indexNames)];
}

/** Rows of one execution; null where an index condition already narrows the scan. */
function rowsReadBy(given: StatementCase, table: TableObservation, { node, consumedShare }: PlanScan): number | null {
  if (node['Node Type'] === 'Seq Scan') return table.liveRows * consumedShare;
  // The whole index, only for its order.
  if (node['Node Type'].startsWith('Index') && node['Index Cond'] === undefined) return table.liveRows * consumedShare;
  const entries = node['Node Type'] === 'Bitmap Heap Scan' ? node.Plans?.[0]?.['Plan Rows'] : undefined;
  return entries !== undefined && node.Filter !== undefined && clearlyCheaper(node['Plan Rows'], entries) ? entries : null;
}

interface PayingAccess {
  /** The condition that the finding is about. */
  readonly leading: Condition;
  readonly rows: number;
  readonly current: number;
  readonly better: number;
}

/** The first of a group of conditions, alone or with its like, that makes reading through an index clearly cheaper than the scan. */
function payingAccess(
  given: StatementCase,
  scan: PlanScan,
  table: TableObservation,
  role: Condition['role'],
  group: readonly Condition[],
): PayingAccess | null {
  const own = group.filter((condition) => isIn(scan, condition));
  const [first] = own;
  if (first !== undefined) {
    // One arm of an OR saves nothing alone: the arms are only worth it together, as the plan's own estimate has them.
    const onlyEqual = own.every((condition) => condition.role === 'equal' && !condition.alternative);
    const rows =
      (onlyEqual
        ? matchingRows(
            given,
            table,
            own.map(({ column }) => column),
            scan.rows,
          )
        : expectedRows(given, table, first, scan)) * scan.consumedShare;
    const better = readCost(given, table, { rows, lookUps: 1, ordered: false });
    if (clearlyCheaper(better, scan.cost)) return { leading: first, rows, current: scan.cost, better };
  }
  const partner = group.find((condition) => condition.join && !own.includes(condition));
  return role === 'equal' && partner !== undefined ? payingJoin(given, scan, table, partner) : null;
}

/** A whole table read to be joined with few rows: those could each look their partners up instead. */
function payingJoin(given: StatementCase, scan: PlanScan, table: TableObservation, leading: Condition): PayingAccess | null {
  const at = scan.ancestors.findLastIndex((node) => /Join|Nested Loop/.test(node['Node Type']));
  const join = scan.ancestors[at];
  const side = scan.ancestors[at + 1] ?? scan.node;
  const other = join?.Plans?.find((child) => child !== side && /Outer|Inner/.test(child['Parent Relationship'] ?? ''));
  if (join === undefined || other === undefined) return null;
  const rows = join['Plan Rows'] * scan.consumedShare;
  const better = readCost(given, table, { rows, lookUps: Math.max(1, other['Plan Rows']), ordered: false });
  const current = scan.cost * scan.executions;
  return clearlyCheaper(better, current) ? { leading, rows, current, better } : null;
}

/**
 * Without statistics the planner takes any function's result to have 200 different values (selfuncs.h,
 * DEFAULT_NUM_DISTINCT). StatementCase folding and trimming keep nearly as many as the column has.
 */
function expectedRows({ facts }: StatementCase, table: TableObservation, first: Condition, scan: PlanScan): number {
  if (scan.rowsMeasured || first.role !== 'expression' || !/^(?:lower|upper|btrim|trim|md5)\(/.test(first.key)) return scan.rows;
  const distinct = distinctValues(columnOf(table, first.column, facts), table.liveRows);
  return distinct === null ? scan.rows : Math.min(scan.rows, table.liveRows / Math.max(1, distinct));
}

function servesRole({ definition, columns }: IndexCandidate, role: Condition['role'], group: readonly Condition[]): boolean {
  const keys = definition.keys.map((key) => roughSpelling(parseIndexKey(key).expression));
  if (role === 'equal') return definition.method === 'btree' && group.some(({ key }) => keys[0] === roughSpelling(key));
  if (role === 'expression') return group.some(({ key }) => keys.includes(roughSpelling(key)));
  return definition.method !== 'btree' && group.some(({ column }) => columns.includes(column));
}

function isIndexed({ facts }: StatementCase, table: TableObservation, { key }: Condition): boolean {
  return facts.indexes.some(
    ({ definition }) =>
      definition.schema === table.schema &&
      definition.table === table.name &&
      definition.keys.some((present) => roughSpelling(parseIndexKey(present).expression) === roughSpelling(key)),
  );
}

const rulesByRole = {
  expression: 'missing-expression-index',
  containment: 'unindexed-json-containment',
  text: 'unindexed-text-search',
} as const;

function ruleFor(given: StatementCase, table: TableObservation, role: Condition['role'], { column }: Condition): AccessRule {
  if (role !== 'equal' && role !== 'range') return rulesByRole[role];
  // Schemas that declare no foreign keys name them all the same.
  const isReference = foreignKeyOn(given, table, [column]) !== null || (role === 'equal' && /_id$|[a-z]Id$/.test(column));
  return isReference ? 'missing-foreign-key-index' : 'missing-index';
}

function foreignKeyOn({ foreignKeys }: StatementCase, table: TableObservation, columns: readonly string[]): ForeignKeyObservation | null {
  return (
    foreignKeys.find(
      (key) => key.schema === table.schema && key.table === table.name && key.columns.some((column) => columns.includes(column)),
    ) ?? null
  );
}
