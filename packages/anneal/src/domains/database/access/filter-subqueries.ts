import { subqueriesCost, type PlanScan } from './plan-scans.ts';
import { readCost, tableOf, type StatementCase } from './statement-case.ts';

/**
 * A subquery in a condition is asked for the rows that pass the cheaper conditions, but the plan prices it as asked for
 * every row the scan looks at (costsize.c charges all of a filter to each row, whatever their order). What is left of such
 * a scan's cost after the askings that are expected would all be blamed on reading the table. So the scan is
 * charged at most what reading its table takes, in its order or as it lies, and the plan's cost shrinks by the difference.
 */
export function withoutFilterSubqueries(given: StatementCase): StatementCase {
  return { ...given, scans: given.scans.map((scan) => (asksSubquery(scan) ? repriced(given, scan) : scan)) };
}

function repriced(given: StatementCase, scan: PlanScan): PlanScan {
  const table = tableOf(given, scan);
  if (table === null) return scan;
  const { liveRows, sizeBytes } = table;
  const reading =
    scan.node['Node Type'] === 'Seq Scan'
      ? (sizeBytes / given.pageBytes) * given.cost.sequentialPage + liveRows * given.cost.tuple
      : readCost(given, table, { rows: liveRows, lookUps: 1, ordered: true });
  const cost = Math.min(scan.cost, reading * scan.consumedShare);
  const total = given.plan.totalCost - (scan.cost - cost) * scan.executions;
  return { ...scan, cost, costShare: Math.min(1, (cost * scan.executions) / Math.max(total, Number.EPSILON)) };
}

/** A hashed one is answered once, before the first row. */
function asksSubquery({ node }: PlanScan): boolean {
  return subqueriesCost(node) > 0 && /(?<!hashed )SubPlan/u.test(node.Filter ?? '');
}
