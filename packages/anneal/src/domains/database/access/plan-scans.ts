import type { PlanNode } from '../../../ports/planner.ts';

/** One read of a table in a plan, with how often and how far it is expected to go. */
export interface PlanScan {
  readonly node: PlanNode;
  /** From the root down to its parent. */
  readonly ancestors: readonly PlanNode[];
  /** How many times the plan runs it: the inner side of a nested loop once per outer row. */
  readonly executions: number;
  /** Share of it that a LIMIT above lets it read before it stops, 0-1. */
  readonly consumedShare: number;
  /** Rows one execution gives, over all parallel workers. */
  readonly rows: number;
  /** Whether `rows` is what calls of the statement brought; else it is the planner's estimate. */
  readonly rowsMeasured: boolean;
  /** Plan cost of one execution as far as it goes, without that of subqueries it evaluates. */
  readonly cost: number;
  /** Of all executions, of the whole statement's plan cost, 0-1. */
  readonly costShare: number;
}

export function scansIn(root: PlanNode): readonly PlanScan[] {
  const visit = (node: PlanNode, ancestors: readonly PlanNode[], executions: number, consumedShare: number): readonly PlanScan[] => {
    const children = (node.Plans ?? []).flatMap((child) =>
      visit(child, [...ancestors, node], executions * executionsOf(child, node), consumedOf(child, node, consumedShare)),
    );
    if (node['Relation Name'] === undefined || !node['Node Type'].includes('Scan')) return children;
    const whole = node['Startup Cost'] + (node['Total Cost'] - node['Startup Cost']) * consumedShare;
    const cost = Math.max(0, whole - subqueriesCost(node) * consumedShare);
    const rows = node['Plan Rows'] * parallelDivisor(node, ancestors);
    const costShare = Math.min(1, (cost * executions) / Math.max(root['Total Cost'], Number.EPSILON));
    return [{ node, ancestors, executions, consumedShare, rows, rowsMeasured: false, cost, costShare }, ...children];
  };
  return visit(root, [], 1, 1);
}

/** `EXPLAIN` has more properties than the planner's port names. */
export function property(node: PlanNode, name: string): unknown {
  return (node as unknown as Readonly<Record<string, unknown>>)[name];
}

function executionsOf(child: PlanNode, parent: PlanNode): number {
  const relationship = child['Parent Relationship'];
  if (relationship === 'SubPlan') {
    // A hashed subplan is run once and then looked up.
    const name = String(property(child, 'Subplan Name'));
    return JSON.stringify({ ...parent, Plans: [] }).includes(`hashed ${name}`) ? 1 : Math.max(1, parent['Plan Rows']);
  }
  if (parent['Node Type'] !== 'Nested Loop' || relationship !== 'Inner') return 1;
  // Materialize keeps what it has read; Memoize too, at most for the keys it has seen: once is the careful guess.
  if (child['Node Type'] === 'Materialize' || child['Node Type'] === 'Memoize') return 1;
  return Math.max(1, parent.Plans?.find((other) => other['Parent Relationship'] === 'Outer')?.['Plan Rows'] ?? 1);
}

/** A node's total holds its subqueries', and a scan evaluates those of the select list for every row it gives. */
export function subqueriesCost(node: PlanNode): number {
  return (node.Plans ?? [])
    .filter((child) => child['Parent Relationship'] === 'SubPlan' || child['Parent Relationship'] === 'InitPlan')
    .reduce((sum, child) => sum + child['Total Cost'] * executionsOf(child, node), 0);
}

/** Nodes that read all of their input before they give the first row. */
const blocking: ReadonlySet<string> = new Set([
  'Sort',
  'Hash',
  'Materialize',
  'Bitmap Heap Scan',
  'ModifyTable',
  'WindowAgg',
  'SetOp',
  'Recursive Union',
]);

function consumedOf(child: PlanNode, parent: PlanNode, above: number): number {
  const relationship = child['Parent Relationship'];
  if (relationship === 'InitPlan' || relationship === 'SubPlan') return 1;
  if (blocking.has(parent['Node Type'])) return 1;
  if (parent['Node Type'] === 'Aggregate') return property(parent, 'Strategy') === 'Sorted' ? above : 1;
  if (parent['Node Type'] !== 'Limit') return above;
  return above * consumedByLimit(parent, child);
}

/** The planner charges a Limit the share of its input's run cost that it lets through, OFFSET included (costsize.c, adjust_limit_rows_costs). */
function consumedByLimit(limit: PlanNode, child: PlanNode): number {
  const run = child['Total Cost'] - child['Startup Cost'];
  return run <= 0 ? 1 : Math.min(1, Math.max(0, (limit['Total Cost'] - child['Startup Cost']) / run));
}

/** Rows of a parallel scan are told per process; the leader helps with what its workers leave it (costsize.c, get_parallel_divisor). */
function parallelDivisor(node: PlanNode, ancestors: readonly PlanNode[]): number {
  if (property(node, 'Parallel Aware') !== true) return 1;
  const gather = ancestors.findLast((ancestor) => typeof property(ancestor, 'Workers Planned') === 'number');
  const workers = gather === undefined ? 0 : Number(property(gather, 'Workers Planned'));
  return workers === 0 ? 1 : workers + Math.max(0, 1 - 0.3 * workers);
}

/** What a LIMIT asks for and how its input comes. */
export interface PlanPage {
  readonly limit: PlanNode;
  readonly returnedRows: number;
  /** Rows read and thrown away before the first one that is returned. */
  readonly skippedRows: number;
  /** The sort below the limit; null where the rows come in order. */
  readonly sort: PlanNode | null;
}

/** Nodes that pass rows on one by one and in their order. */
const passing: ReadonlySet<string> = new Set(['Gather Merge', 'Gather', 'Subquery Scan', 'Result', 'LockRows', 'ProjectSet']);

/** The outermost LIMIT of the plan. The planner's costs say how many rows it skips: its start-up cost holds exactly their share of the input's run cost. */
export function pageOf(root: PlanNode): PlanPage | null {
  const limit = firstLimit(root);
  const input = limit?.Plans?.find((child) => child['Parent Relationship'] === 'Outer');
  if (limit === null || input === undefined) return null;
  const run = input['Total Cost'] - input['Startup Cost'];
  const skippedShare = run <= 0 ? 0 : Math.max(0, limit['Startup Cost'] - input['Startup Cost']) / run;
  let below: PlanNode | undefined = input;
  while (below !== undefined && passing.has(below['Node Type'])) below = below.Plans?.[0];
  const sorts = below?.['Node Type'] === 'Sort' || below?.['Node Type'] === 'Incremental Sort';
  return {
    limit,
    returnedRows: limit['Plan Rows'],
    skippedRows: Math.round(input['Plan Rows'] * skippedShare),
    sort: sorts ? below! : null,
  };
}

function firstLimit(node: PlanNode): PlanNode | null {
  if (node['Node Type'] === 'Limit') return node;
  for (const child of node.Plans ?? []) {
    const found = child['Parent Relationship'] === 'SubPlan' ? null : firstLimit(child);
    if (found !== null) return found;
  }
  return null;
}
