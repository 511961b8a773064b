import type { StatementObservation } from '../../../measurement/observations.ts';
import type { PlanNode } from '../../../ports/planner.ts';
import { property, type PlanScan } from './plan-scans.ts';

/**
 * Measured before estimated: where every row of a scan becomes exactly one row of the statement's result, the
 * rows that calls brought say what the scan finds. The planner's own figure may be off by orders of magnitude
 * there: it guesses containment, patterns and values it was not given, and it is asked about the dearest of the
 * parameter sets seen, where the time was spent by all of them.
 */
export function withObservedRows(scans: readonly PlanScan[], { kind, calls, rows }: StatementObservation): readonly PlanScan[] {
  // What an INSERT reports is what it wrote, not what ON CONFLICT looked at.
  if (calls === 0 || kind === 'insert' || kind === 'other') return scans;
  return scans.map((scan) => (isPassedOnWhole(scan) ? { ...scan, rows: rows / calls, rowsMeasured: true } : scan));
}

/** Nodes that give exactly the rows they get: no limit, no group, no partner, no second source. */
const passing: ReadonlySet<string> = new Set([
  'Gather',
  'Gather Merge',
  'Sort',
  'Incremental Sort',
  'Materialize',
  'Subquery Scan',
  'Result',
  'WindowAgg',
  'LockRows',
  'ModifyTable',
]);

/** Conditions of such a node that drop rows after all (explain.c). */
const dropping = ['Filter', 'One-Time Filter', 'Run Condition'];

function isPassedOnWhole({ node, ancestors }: PlanScan): boolean {
  const path = [...ancestors, node];
  return path.every(
    (at, depth) =>
      (at === node || (passing.has(at['Node Type']) && dropping.every((name) => property(at, name) === undefined))) &&
      (depth === 0 || isOnlyInput(at, path[depth - 1]!)),
  );
}

/** What an InitPlan or SubPlan finds is a value, and of several children of an Append none is the whole. */
function isOnlyInput(child: PlanNode, parent: PlanNode): boolean {
  const relationship = child['Parent Relationship'];
  if (relationship !== 'Outer' && relationship !== 'Subquery') return false;
  return (parent.Plans ?? []).filter((other) => other['Parent Relationship'] === relationship).length === 1;
}
