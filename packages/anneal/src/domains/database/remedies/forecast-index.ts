import type { StatementObservation } from '../../../measurement/observations.ts';
import {
  costWithIndex,
  looksUpBeyondPages,
  type PlannedTable,
  predictFromPlanCosts,
  type StatementForecast,
} from '../../../prediction/plan-cost.ts';
import type { Prediction } from '../../../prediction/prediction.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import type { AddIndexPlan } from './add-index-plan.ts';
import { samplesOf } from './choose-index.ts';
import { touchedStatements } from './touched-statements.ts';
import { writeSurchargeMs } from './write-surcharge.ts';

/** EXPLAINs are bounded: the dearest statements decide the sum. */
const mostStatements = 20;

/** What the index is worth to the statements it touches, writes included: asked of the planner engine, else reckoned from the measured plans. */
export async function forecastIndex(plan: AddIndexPlan, context: PlanningContext): Promise<Prediction> {
  const { readers, writers } = touchedStatements(plan, context.measurement);
  const asked = [...readers].sort((a, b) => b.totalMs - a.totalMs).slice(0, mostStatements);
  const table = tableOf(plan, context);
  const planned = await askPlanner(plan, asked, table, context);
  const changed = asked.flatMap((statement) => {
    const answer = planned.get(statement.id) ?? reckon(plan, statement, table, context);
    return answer === 'unchanged' ? [] : [answer];
  });
  const touchedMs = [...new Set([...readers, ...writers])].reduce((sum, { totalMs }) => sum + totalMs, 0);
  return predictFromPlanCosts({
    key: plan.name,
    changed,
    unchangedMs: touchedMs - changed.reduce((sum, { measuredMs }) => sum + measuredMs, 0),
    surchargeMs: writeSurchargeMs(plan, writers, context.measurement),
    engine: planned.size === 0 ? null : (context.planner?.engine ?? null),
  });
}

function tableOf({ index }: AddIndexPlan, { measurement }: PlanningContext): PlannedTable {
  const seen = measurement.observations['postgres.tables']?.find(({ schema, name }) => schema === index.schema && name === index.table);
  return { schema: index.schema, name: index.table, rows: seen?.liveRows ?? 0, sizeBytes: seen?.sizeBytes ?? 0 };
}

type Answer = StatementForecast | 'unchanged';

/** Answers by statement id; a statement the engine cannot plan, with or without the index, is left out. */
async function askPlanner(
  plan: AddIndexPlan,
  statements: readonly StatementObservation[],
  table: PlannedTable,
  { planner, samples }: PlanningContext,
): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  if (planner === null || statements.length === 0) return answers;
  const asked = statements.flatMap((statement) =>
    samplesOf(samples.get(statement.id), statement.text).map((sample) => ({ statement, sample })),
  );
  const texts = asked.map(({ sample }) => sample);
  const before = await planner.whatIf(texts, []);
  const after = await planner.whatIf(texts, [plan.index]);
  for (const statement of statements) {
    const pairs = asked.flatMap((entry, at) => {
      const [old, planned] = [before.plans[at] ?? null, after.plans[at] ?? null];
      const belongs = entry.statement === statement && old !== null && planned !== null;
      return belongs ? [{ old, planned, used: (after.uses[at] ?? []).length > 0 }] : [];
    });
    if (pairs.length === 0) continue;
    answers.set(
      statement.id,
      pairs.some(({ used }) => used)
        ? {
            measuredMs: statement.totalMs,
            costBefore: pairs.reduce((sum, { old }) => sum + old.totalCost, 0),
            // Where one sample's plan ignores the index, its cost stays what it was.
            costAfter: pairs.reduce((sum, { old, planned, used }) => sum + (used ? planned : old).totalCost, 0),
            generic: pairs.some(({ planned }) => planned.generic),
            manyLookUps: pairs.some(({ planned }) => looksUpBeyondPages(planned, table)),
          }
        : 'unchanged',
    );
  }
  return answers;
}

/** Only for the statements the index was made for: for others nothing says that the planner would take it. */
function reckon(plan: AddIndexPlan, statement: StatementObservation, table: PlannedTable, { measurement }: PlanningContext): Answer {
  const measured = measurement.observations['postgres.plans']?.[statement.id];
  if (measured === undefined || !plan.statementIds.includes(statement.id)) return 'unchanged';
  const sortColumns = statement.shape?.orderBy.map(({ expression }) => expression) ?? [];
  const servesOrder =
    statement.shape?.hasLimit === true &&
    sortColumns.length > 0 &&
    sortColumns.every((expression) => plan.index.keys.some((key) => key === expression || key === `${expression} DESC`));
  return {
    measuredMs: statement.totalMs,
    costBefore: measured.totalCost,
    costAfter: costWithIndex(measured, table, measurement.observations['postgres.settings'] ?? {}, { servesOrder }),
    generic: measured.generic,
    manyLookUps: false,
  };
}
