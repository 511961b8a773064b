import type { StatementObservation } from '../../measurement/observations.ts';
import type { ImaginedSettings, StatementPlan } from '../../ports/planner.ts';
import { withObservedRows } from './access/observed-rows.ts';
import { scansIn } from './access/plan-scans.ts';
import { costSettings } from './access/read-cost.ts';

/**
 * What a page that is in shared buffers costs in the planner's units, in whatever order pages are read.
 * Measured on PostgreSQL 18 on one core: 0.28 us a page where a row with one comparison, 0.0125 + 0.0025
 * units, took 0.033 us.
 */
const bufferedPage = 0.13;

/**
 * Settings that price pages by where this statement found them. The server's own prices rank plans; but they
 * suppose that pages come from a disk, and for a table that is in memory they make an index look an order of
 * magnitude dearer against a scan than it is. Null where nobody counted pages.
 */
export function pricesWherePagesWere(
  { sharedBlocksHit, sharedBlocksRead }: Pick<StatementObservation, 'sharedBlocksHit' | 'sharedBlocksRead'>,
  settings: Readonly<Record<string, string>>,
): Required<ImaginedSettings> | null {
  const pages = sharedBlocksHit + sharedBlocksRead;
  if (pages === 0) return null;
  const hitShare = sharedBlocksHit / pages;
  const own = costSettings(settings);
  const price = (onDisk: number) => String(hitShare * Math.min(bufferedPage, onDisk) + (1 - hitShare) * onDisk);
  return { settings: { seq_page_cost: price(own.sequentialPage), random_page_cost: price(own.randomPage) } };
}

/** Scans whose cost grows with the rows they find; a sequential one reads the same pages whatever it finds. */
const byRows: ReadonlySet<string> = new Set(['Index Scan', 'Index Only Scan', 'Bitmap Heap Scan']);

/**
 * The plan's cost for as many rows as calls really brought, where the rows of a scan through an index are those of
 * the answer and fewer than guessed. The planner cannot know better: it guesses containment, expressions
 * without statistics and values it was not given.
 */
export function costForObservedRows(plan: StatementPlan, statement: StatementObservation): number {
  const guessed = scansIn(plan.root);
  const [known] = withObservedRows(guessed, statement).flatMap((scan, at) =>
    scan.rowsMeasured ? [{ found: scan.rows, scan: guessed[at]! }] : [],
  );
  if (known === undefined || !byRows.has(known.scan.node['Node Type']) || known.found >= known.scan.rows) return plan.totalCost;
  const { rows, cost, executions } = known.scan;
  return plan.totalCost - cost * executions * (1 - Math.max(known.found, 1) / Math.max(rows, 1));
}
