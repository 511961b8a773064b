import type { PlanNode, StatementPlan } from '../../../ports/planner.ts';

/**
 * The change of plan that costs are known to misjudge: where rows were joined by hashing or sorting, or the table was read from end to
 * end, an index is now probed once per outer row, and more often than the table has pages. Predicted 3.2-4.3 times
 * faster, measured 0.43-0.90 times (TPC-H Q9); "Understanding and Detecting Query Performance Regression in Practical
 * Index Tuning" (SIGMOD 2026) finds most severe regressions in a handful of such patterns. Sentences for the reader.
 */
export function planRisks(before: StatementPlan, after: StatementPlan, table: string, pages: number): readonly string[] {
  const times = mostProbes(after.root, table);
  if (times <= pages || mostProbes(before.root, table) > pages) return [];
  const figures = `${Math.round(times).toLocaleString('en')} times through an index, more often than it has pages (${pages.toLocaleString('en')})`;
  return [`${table} would be looked up ${figures}${wasBefore(before.root, table)}`];
}

function mostProbes(root: PlanNode, table: string): number {
  return Math.max(0, ...probes(root, 1).flatMap((probe) => (probe.table === table ? [probe.times] : [])));
}

interface Probe {
  readonly table: string;
  readonly times: number;
}

/** Index look-ups on the inner side of nested loops, with how often the planner expects them. */
function probes(node: PlanNode, times: number): readonly Probe[] {
  const children = node.Plans ?? [];
  const [outer, inner] = children;
  if (node['Node Type'] === 'Nested Loop' && outer !== undefined && inner !== undefined) {
    return [...probes(outer, times), ...probes(inner, times * Math.max(1, outer['Plan Rows']))];
  }
  const isProbe = times > 1 && (node['Index Cond'] ?? node['Recheck Cond']) !== undefined && node['Relation Name'] !== undefined;
  return [...(isProbe ? [{ table: node['Relation Name'], times }] : []), ...children.flatMap((child) => probes(child, times))];
}

/** How the table was joined or read. */
function wasBefore(root: PlanNode, table: string): string {
  const path = pathTo(root, table);
  const join = path.findLast((node) => /^(?:Hash Join|Merge Join)$/u.test(node['Node Type']));
  const node = join ?? path.at(-1);
  return node === undefined ? '' : `; before it was ${join === undefined ? 'read by' : 'part of'} a ${node['Node Type'].toLowerCase()}`;
}

function pathTo(node: PlanNode, table: string): readonly PlanNode[] {
  if (node['Relation Name'] === table) return [node];
  const below = (node.Plans ?? []).map((child) => pathTo(child, table)).find((path) => path.length > 0);
  return below === undefined ? [] : [node, ...below];
}
