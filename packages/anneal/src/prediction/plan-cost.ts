import type { PlanNode, StatementPlan } from '../ports/planner.ts';
import type { Estimate } from '../stats/estimate.ts';
import { normalQuantile } from '../stats/normal.ts';
import type { Prediction } from './prediction.ts';

/** One statement the index can touch, as far as its time may change. */
export interface StatementForecast {
  /** Its calls in the window, and the time of all of them. */
  readonly calls: number;
  readonly measuredMs: number;
  /**
   * What any execution on this server takes: starting and ending a plan is not in its cost. The time of the
   * cheapest statement that was measured there will do.
   */
  readonly fixedMs: number;
  readonly costBefore: number;
  readonly costAfter: number;
  /** The plans are for unknown parameters. */
  readonly generic: boolean;
  /** The new plan looks the table up more often than it has pages, see `looksUpBeyondPages`. */
  readonly manyLookUps: boolean;
  /** The new plan reads an inverted index, whose finds are checked again against the whole value. */
  readonly rechecks: boolean;
}

export interface PlanCostForecast {
  /** The index's name: the prediction is about `database.time:<key>`. */
  readonly key: string;
  /** Statements whose plan the index changes. */
  readonly changed: readonly StatementForecast[];
  /** Touched statements whose plan stays as it is. */
  readonly unchangedCalls: number;
  readonly unchangedMs: number;
  /** What keeping the index up to date adds to the writes of the window. */
  readonly surchargeMs: number;
  /** Null when no engine could be asked and the costs are arithmetic on the measured plans (`domains/database/access/read-cost.ts`). */
  readonly engine: 'hypopg' | 'built' | 'shadow' | null;
}

const confidenceLevel = 0.95;
const quantile = normalQuantile((1 + confidenceLevel) / 2);

/**
 * How far the logarithm of a statement's true gain lies from the plan costs' (one standard deviation).
 * Measured on TPC-H over eight index sets, costs rank gains with a correlation of 0.53-0.80 and do not
 * predict them: gains ran from 0.43x to 52x, a standard deviation of about 1.2 on the log scale, of which a
 * correlation of 0.67 leaves 1.2 * sqrt(1 - 0.67^2) = 0.9.
 */
const logSpread = 0.9;

/** A generic plan guessed 500,000 rows where the real value gave 8,398: that factor of 60 as a two-sigma event. */
const genericLogSpread = Math.log(60) / 2;

/** An index loop over many outer rows was predicted 3.2-4.3x faster and measured 0.43-0.90x: up to tenfold off, as a two-sigma event. */
const loopLogSpread = Math.log(10) / 2;

/** A check against a document is charged as one operator however long the document is, and may take hundreds of times that: up to tenfold off, as a two-sigma event. */
const recheckLogSpread = Math.log(10) / 2;

/** The writes' share of one more index is a mean over unlike structures: at most three times as much. */
const surchargeLogSpread = Math.log(3) / 2;

/** And it is reckoned as an upper bound, since a write's time also holds what it does before it writes: down to a twentieth. */
const surchargeLogSlack = Math.log(20) / 2;

/** Statements whose plan stays still wait less for cores and pages when dear ones leave: at best half their time, if all leave. */
const reliefLogSpread = Math.log(2) / 2;

/**
 * The relative change of the touched statements' time per request. Each statement's measured time is
 * scaled by the ratio of its plan costs; what cannot change stays; the writes' surcharge comes on top. The
 * interval lets all of it err to the same side at once.
 */
export function predictFromPlanCosts(forecast: PlanCostForecast): Prediction {
  const { changed, surchargeMs, engine } = forecast;
  const changedMs = changed.reduce((sum, { measuredMs }) => sum + measuredMs, 0);
  const mixSpread = mixLogSpread(forecast);
  const changeAt = (deviations: number) => {
    const unchangedMs = forecast.unchangedMs * Math.exp(deviations * mixSpread);
    const beforeMs = changedMs + unchangedMs;
    const afterMs = changed.reduce((sum, statement) => sum + timeAfterMs(statement, deviations), 0);
    const savedShare = beforeMs === 0 ? 0 : Math.max(changedMs - afterMs, 0) / beforeMs;
    const relievedMs = unchangedMs * Math.exp(Math.min(deviations, 0) * reliefLogSpread * savedShare);
    const addedMs = surchargeMs * Math.exp(deviations * (deviations < 0 ? surchargeLogSlack : surchargeLogSpread));
    return beforeMs === 0 ? 0 : (afterMs + relievedMs + addedMs) / beforeMs - 1;
  };
  const change: Estimate = { point: changeAt(0), lower: changeAt(-quantile), upper: changeAt(quantile), confidenceLevel };
  return { metric: `database.time:${forecast.key}`, change, model: 'plan-cost', assumptions: assumptionsOf(forecast, engine) };
}

/**
 * How far the share of what stays may be from the window's share when the trial's traffic is drawn: calls
 * are Poisson in both, so the logarithm of the ratio of two sums has the variance 1/n + 1/m in each.
 */
function mixLogSpread({ changed, unchangedCalls }: PlanCostForecast): number {
  const changedCalls = changed.reduce((sum, { calls }) => sum + calls, 0);
  if (changedCalls === 0 || unchangedCalls === 0) return 0;
  return Math.sqrt(2 * (1 / changedCalls + 1 / unchangedCalls));
}

function timeAfterMs(statement: StatementForecast, deviations: number): number {
  const { calls, measuredMs, costBefore, costAfter } = statement;
  const fixedMs = Math.min(calls * statement.fixedMs, measuredMs);
  const scaledMs = costBefore <= 0 ? measuredMs - fixedMs : ((measuredMs - fixedMs) * costAfter) / costBefore;
  const reach = deviations * spreadOf(statement);
  // What any execution takes is known better than what a unit of cost takes.
  return fixedMs * Math.exp(reach / 2) + scaledMs * Math.exp(reach);
}

/** Standard deviation of the logarithm of a gain that plan costs promise. */
function spreadOf({ generic, manyLookUps, rechecks }: Pick<StatementForecast, 'generic' | 'manyLookUps' | 'rechecks'>): number {
  return Math.hypot(logSpread, generic ? genericLogSpread : 0, manyLookUps ? loopLogSpread : 0, rechecks ? recheckLogSpread : 0);
}

/**
 * Milliseconds of one execution under the new plan. The statement's own measured time says what a unit of cost
 * takes for it; the interval is that of the ratio.
 */
export function predictExecutionMs(statement: Omit<StatementForecast, 'calls'>, level: number): Estimate {
  const reach = normalQuantile((1 + level) / 2);
  const at = (deviations: number) => timeAfterMs({ ...statement, calls: 1 }, deviations);
  return { point: at(0), lower: at(-reach), upper: at(reach), confidenceLevel: level };
}

function assumptionsOf({ changed, surchargeMs }: PlanCostForecast, engine: PlanCostForecast['engine']): readonly string[] {
  const source = {
    hypopg: 'hypopg planned the statements with the index as a hypothetical one',
    built: 'the index was built on a scratch copy and the statements planned with it',
    shadow: 'the statements were planned on a shadow of the database, with the index at its predicted size',
  };
  return [
    engine === null ? 'no planner engine: the cost with the index is arithmetic on the measured plan and table size' : source[engine],
    'a statement takes time in proportion to its plan cost; plan costs rank gains and do not predict them, hence the wide interval',
    ...(changed.some(({ generic }) => generic) ? ['some plans are generic, for parameters nobody saw'] : []),
    ...(changed.some(({ manyLookUps }) => manyLookUps)
      ? ['a plan becomes an index look-up per outer row, more of them than the table has pages: known to be misjudged']
      : []),
    ...(changed.some(({ rechecks }) => rechecks)
      ? ['what an inverted index finds is checked again against the whole value, which plan costs hardly count']
      : []),
    ...(surchargeMs > 0 ? [`maintaining the index costs the writes of the window ${surchargeMs.toPrecision(2)} ms`] : []),
  ];
}

export interface PlannedTable {
  readonly schema: string;
  readonly name: string;
  readonly sizeBytes: number;
}

/** PostgreSQL's block size in every packaged build. */
const pageBytes = 8192;

/**
 * A plan that looks a table up once per outer row, more often than the table has pages, may touch more
 * pages than reading it from end to end: the one structural change whose what-if cost is known to mislead.
 */
export function looksUpBeyondPages(after: StatementPlan, table: PlannedTable): boolean {
  const isLookUp = (node: PlanNode): boolean =>
    (node['Relation Name'] === table.name && node['Index Cond'] !== undefined) || (node.Plans ?? []).some(isLookUp);
  const search = (node: PlanNode): boolean => {
    const [outer, inner] = node.Plans ?? [];
    const isLoop = node['Node Type'] === 'Nested Loop' && outer !== undefined && inner !== undefined;
    return (isLoop && isLookUp(inner) && outer['Plan Rows'] > table.sizeBytes / pageBytes) || (node.Plans ?? []).some(search);
  };
  return search(after.root);
}
