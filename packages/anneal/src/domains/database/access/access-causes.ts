import type { AccessObservations, AccessOutcome } from './access-outcome.ts';
import { withoutFilterSubqueries } from './filter-subqueries.ts';
import { withObservedRows } from './observed-rows.ts';
import { judgePage } from './page-causes.ts';
import { pageOf, scansIn } from './plan-scans.ts';
import { costSettings } from './read-cost.ts';
import { judgeScan } from './scan-causes.ts';
import type { Context, StatementCase } from './statement-case.ts';
import type { SchemaFacts } from '../index-candidates.ts';

/**
 * Judges every statement that has a plan, once for all rules, so that each statement gets one cause.
 * In this order: a page whose order no index gives, an OFFSET that reads what it throws away, then
 * the scan that takes most of the plan's cost, blamed on the first of its conditions that alone would
 * make an index pay: equality and range on columns, on expressions, containment, text patterns.
 */
export function accessOutcomes(observations: AccessObservations): readonly AccessOutcome[] {
  const facts: SchemaFacts = {
    columns: observations['postgres.columns'],
    indexes: observations['postgres.indexes'],
    tables: observations['postgres.tables'],
  };
  const settings = observations['postgres.settings'];
  const context: Context = {
    facts,
    foreignKeys: observations['postgres.foreign-keys'],
    cost: costSettings(settings),
    pageBytes: Number(settings['block_size'] ?? 8192),
  };
  return observations['postgres.statements'].flatMap((statement) => {
    const plan = observations['postgres.plans'][statement.id];
    if (plan === undefined || statement.shape === null) return [];
    const scans = withObservedRows(scansIn(plan.root), statement);
    return judge(withoutFilterSubqueries({ ...context, statement, plan, shape: statement.shape, scans, page: pageOf(plan.root) }));
  });
}

function judge(given: StatementCase): readonly AccessOutcome[] {
  const page = judgePage(given);
  if (page.some((outcome) => 'cost' in outcome)) return page;
  const judged = given.scans
    .toSorted((a, b) => b.costShare - a.costShare)
    .map((scan) => judgeScan(given, scan))
    .filter((outcomes) => outcomes.length > 0);
  const cause = judged.flat().find((outcome) => 'cost' in outcome);
  return cause === undefined ? [...page, ...(judged[0] ?? [])] : [cause];
}
