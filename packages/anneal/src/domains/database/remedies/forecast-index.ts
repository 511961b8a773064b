import type { StatementObservation } from '../../../measurement/observations.ts';
import type { ImaginedSettings, IndexDefinition } from '../../../ports/planner.ts';
import { looksUpBeyondPages, type PlannedTable, predictFromPlanCosts, type StatementForecast } from '../../../prediction/plan-cost.ts';
import type { Prediction } from '../../../prediction/prediction.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { accessOutcomes } from '../access/access-causes.ts';
import { accessCapabilities, type AccessCause, type AccessObservations } from '../access/access-outcome.ts';
import { parseIndexKey, roughSpelling } from '../index-ddl.ts';
import { writeBill } from '../index-economy.ts';
import { costForObservedRows, pricesWherePagesWere } from '../restated-cost.ts';
import type { AddIndexPlan } from './add-index-plan.ts';
import { samplesOf } from './choose-index.ts';
import { touchedStatements } from './touched-statements.ts';

/** EXPLAINs are bounded: the dearest statements decide the sum. */
const mostStatements = 20;

function dearest(statements: readonly StatementObservation[]): readonly StatementObservation[] {
  return statements.toSorted((a, b) => b.totalMs - a.totalMs).slice(0, mostStatements);
}

/**
 * Of the statements the index can touch, those that it will: a statement whose plan the planner would not
 * change is not the index's to be judged by, and its drift is what the trial's control sizes. Whoever could not
 * be asked counts as touched.
 */
export async function servedStatements(index: IndexDefinition, context: PlanningContext): Promise<readonly StatementObservation[]> {
  const { readers } = touchedStatements(index, context.measurement);
  const asked = dearest(readers);
  const answers = await askPlanner(index, asked, tableOf(index, context), context);
  return readers.filter(({ id }) => answers.get(id) !== 'unchanged');
}

/** What the index is worth to the statements it touches, writes included: asked of the planner engine, else reckoned from the measured plans. */
export async function forecastIndex(plan: AddIndexPlan, context: PlanningContext): Promise<Prediction> {
  const { readers, writers } = touchedStatements(plan.index, context.measurement);
  const own = readers.filter(({ id }) => plan.statementIds.includes(id));
  const asked = dearest(own);
  const planned = await askPlanner(plan.index, asked, tableOf(plan.index, context), context, pricesFor(asked, context));
  const causes = accessCauses(context);
  const fixedMs = cheapestExecutionMs(context, asked);
  const changed = asked.flatMap((statement) => {
    const answer = planned.get(statement.id) ?? reckon(plan, statement, causes, fixedMs);
    return answer === 'unchanged' ? [] : [{ ...answer, statementId: statement.id }];
  });
  const unchanged = [...new Set([...own, ...writers])].filter(({ id }) => !changed.some(({ statementId }) => statementId === id));
  return predictFromPlanCosts({
    key: plan.name,
    changed,
    unchangedCalls: unchanged.reduce((sum, { calls }) => sum + calls, 0),
    unchangedMs: unchanged.reduce((sum, { totalMs }) => sum + totalMs, 0),
    surchargeMs: surchargeMs(plan, context),
    engine: planned.size === 0 ? null : (context.planner?.engine ?? null),
  });
}

/** A statement called less often may have had luck. */
const fewestCalls = 10;

/** The least that a call of any other statement took in the window: no index makes a statement faster than that. */
function cheapestExecutionMs({ measurement }: PlanningContext, except: readonly StatementObservation[]): number {
  const means = (measurement.observations['postgres.statements'] ?? [])
    .filter((statement) => statement.calls >= fewestCalls && statement.source === 'server' && !except.includes(statement))
    .map(({ calls, totalMs }) => totalMs / calls);
  return means.length === 0 ? 0 : Math.min(...means);
}

/** Which plan is taken is asked at the server's own prices, how long it takes at those of where the pages were. */
function pricesFor(statements: readonly StatementObservation[], { measurement }: PlanningContext): ImaginedSettings {
  const sharedBlocksHit = statements.reduce((sum, statement) => sum + statement.sharedBlocksHit, 0);
  const sharedBlocksRead = statements.reduce((sum, statement) => sum + statement.sharedBlocksRead, 0);
  return pricesWherePagesWere({ sharedBlocksHit, sharedBlocksRead }, measurement.observations['postgres.settings'] ?? {}) ?? {};
}

function tableOf(index: Pick<IndexDefinition, 'schema' | 'table'>, { measurement }: PlanningContext): PlannedTable {
  const seen = measurement.observations['postgres.tables']?.find(({ schema, name }) => schema === index.schema && name === index.table);
  return { schema: index.schema, name: index.table, sizeBytes: seen?.sizeBytes ?? 0 };
}

type Answer = StatementForecast | 'unchanged';

/** Answers by statement id; a statement the engine cannot plan, with or without the index, is left out. */
async function askPlanner(
  index: IndexDefinition,
  statements: readonly StatementObservation[],
  table: PlannedTable,
  context: PlanningContext,
  prices: ImaginedSettings = {},
): Promise<ReadonlyMap<string, Answer>> {
  const { planner, samples } = context;
  const fixedMs = cheapestExecutionMs(context, statements);
  const answers = new Map<string, Answer>();
  if (planner === null || statements.length === 0) return answers;
  const asked = statements.flatMap((statement) =>
    samplesOf(samples.get(statement.id), statement.text).map((sample) => ({ statement, sample })),
  );
  const texts = asked.map(({ sample }) => sample);
  const before = await planner.whatIf(texts, [], prices);
  const after = await planner.whatIf(texts, [index], prices);
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
            calls: statement.calls,
            measuredMs: statement.totalMs,
            fixedMs,
            costBefore: pairs.reduce((sum, { old }) => sum + old.totalCost, 0),
            // Where one sample's plan ignores the index, its cost stays what it was.
            costAfter: pairs.reduce(
              (sum, { old, planned, used }) => sum + (used ? costForObservedRows(planned, statement) : old.totalCost),
              0,
            ),
            generic: pairs.some(({ planned }) => planned.generic),
            manyLookUps: pairs.some(({ planned }) => looksUpBeyondPages(planned, table)),
            rechecks: index.method === 'gin',
          }
        : 'unchanged',
    );
  }
  return answers;
}

/**
 * From the rules' own arithmetic on the measured plans: what the statement's dear part costs now and would cost
 * through an index that begins like this one. For other statements nothing says that the planner would take it.
 */
function reckon(plan: AddIndexPlan, statement: StatementObservation, causes: readonly AccessCause[], fixedMs: number): Answer {
  const leading = (keys: readonly string[]) => (keys[0] === undefined ? '' : roughSpelling(parseIndexKey(keys[0]).expression));
  const cause = causes.find(
    ({ statement: { id }, candidate }) =>
      id === statement.id &&
      candidate?.definition.table === plan.index.table &&
      candidate.definition.schema === plan.index.schema &&
      leading(candidate.definition.keys) === leading(plan.index.keys),
  );
  if (cause === undefined) return 'unchanged';
  const { totalCost, generic } = cause.plan;
  const costAfter = totalCost * (1 - cause.costShare * (1 - cause.betterCost / cause.cost));
  return {
    calls: statement.calls,
    measuredMs: statement.totalMs,
    fixedMs,
    costBefore: totalCost,
    costAfter,
    generic,
    manyLookUps: false,
    rechecks: plan.index.method === 'gin',
  };
}

function accessCauses({ measurement }: PlanningContext): readonly AccessCause[] {
  const { observations } = measurement;
  const isComplete = accessCapabilities.every((capability) => observations[capability] !== undefined);
  return isComplete ? accessOutcomes(observations as AccessObservations).filter((outcome) => 'cost' in outcome) : [];
}

/** What keeping the index up costs the writes of the window. */
function surchargeMs({ index }: AddIndexPlan, { measurement }: PlanningContext): number {
  const { observations } = measurement;
  const table = observations['postgres.tables']?.find(({ schema, name }) => schema === index.schema && name === index.table);
  if (table === undefined) return 0;
  const [statements, indexes, columns] = [
    observations['postgres.statements'],
    observations['postgres.indexes'],
    observations['postgres.columns'],
  ];
  return writeBill(index, statements ?? [], table, indexes ?? [], columns ?? []).extraMs;
}
