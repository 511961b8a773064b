import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';
import type { Imagined, IndexDefinition, Planner, ShadowPlanner } from '../../../ports/planner.ts';
import type { PredictedIndexSize } from '../index-size.ts';
import type { WorkloadUnit } from './advisor.ts';
import { mean, plannerCosts, type PlannerCosts } from './planner-costs.ts';
import { searchIndexes, type SearchAnswer, type SearchLimits, type SearchMemory, type SearchProblem } from './search.ts';
import { mayServe, statementCandidates } from './statement-candidates.ts';
import type { AdvisedStatement, AdvisedWorkload } from './workload.ts';
import { writeCosts, type WriteCost } from './write-cost.ts';

/** A workload that the planner can plan, priced under one set of settings: what the search is asked. */
export interface Question {
  readonly statements: readonly AdvisedStatement[];
  readonly costs: PlannerCosts;
  /** By statement, one execution, with the indexes that exist. */
  readonly baseCosts: readonly number[];
  readonly unit: WorkloadUnit;
  /** What one unit of a statement's cost counts. */
  readonly weights: readonly number[];
  /** The same for the cost of writes. */
  readonly writeWeight: number;
  readonly writeCostOf: (definition: IndexDefinition) => WriteCost | null;
  readonly problem: SearchProblem;
  readonly gaps: readonly string[];
}

export interface QuestionInput {
  readonly snapshot: DatabaseSnapshot;
  readonly planner: Planner | ShadowPlanner;
  readonly workload: AdvisedWorkload;
  readonly sizeOf: (definition: IndexDefinition) => PredictedIndexSize | null;
  readonly budgetBytes: number;
  readonly width: number;
  /** Other than the server's own. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function openQuestion({
  snapshot,
  planner,
  workload,
  sizeOf,
  budgetBytes,
  width,
  settings = {},
}: QuestionInput): Promise<Question> {
  const { statements, baseCosts, gaps, planned } = await plannable(workload.statements, planner, { settings });
  const samples = statements.map((statement) => statement.samples);
  const costs = plannerCosts(planner, samples, { imagined: { settings }, planned });
  const weighed = weigh(statements, baseCosts);
  const writeCostOf = writeCosts({ ...snapshot, settings: { ...snapshot.settings, ...settings } }, workload.writes, sizeOf);
  return {
    statements,
    costs,
    baseCosts,
    ...weighed,
    writeCostOf,
    gaps,
    problem: {
      statements: statements.map(({ shape, facts, reads }, at) => ({
        weight: weighed.weights[at]!,
        candidates: (most, liked) => imaginable(planner, statementCandidates(shape, facts, most, liked)),
        isRelevant: (definition) => mayServe(reads, definition),
      })),
      plansToVerify: samples.reduce((sum, each) => sum + each.length, 0),
      budgetBytes,
      width,
      // A table that was never analysed has no predictable index: nothing is proposed on it.
      sizeOf: (definition) => sizeOf(definition)?.sizeBytes ?? Infinity,
      upkeepOf: (definition) => weighed.writeWeight * (writeCostOf(definition)?.cost ?? 0),
    },
  };
}

/** The search's last answer. */
export async function answerTo(
  { problem, costs }: Question,
  limits: SearchLimits,
  onAnswer?: (answer: SearchAnswer) => void,
): Promise<{ readonly answer: SearchAnswer; readonly memory: SearchMemory }> {
  const answers = searchIndexes(problem, costs, limits);
  let answer: SearchAnswer | null = null;
  for (;;) {
    const next = await answers.next();
    if (next.done === true) return { answer: answer!, memory: next.value };
    answer = next.value;
    onAnswer?.(answer);
  }
}

/** Those the planner can plan as the database is, with what they cost. */
async function plannable(known: readonly AdvisedStatement[], planner: Planner | ShadowPlanner, imagined: Imagined) {
  const statements: AdvisedStatement[] = [];
  const baseCosts: number[] = [];
  const gaps: string[] = [];
  let planned = 0;
  for (const statement of known) {
    const { plans } = await planner.whatIf(statement.samples, [], imagined);
    planned += plans.length;
    const failed = plans.indexOf(null);
    if (failed === -1) {
      statements.push(statement);
      baseCosts.push(mean(plans.map((plan) => plan!.totalCost)));
      continue;
    }
    const problem = 'whyNot' in planner ? await planner.whyNot({ statement: statement.samples[failed]! }) : null;
    gaps.push(`statement ${statement.id} cannot be planned${problem === null ? '' : `: ${problem}`}`);
  }
  return { statements, baseCosts, gaps, planned };
}

/**
 * A statement whose time was measured counts with it, and plan cost says only how that changes: a unit of cost is worth
 * a thousand times more on a cold disk than in memory. Without measured times calls times cost has to do.
 */
function weigh(statements: readonly AdvisedStatement[], baseCosts: readonly number[]): Pick<Question, 'unit' | 'weights' | 'writeWeight'> {
  const isMeasured = statements.length > 0 && statements.every(({ totalMs }) => totalMs > 0);
  if (!isMeasured) return { unit: 'cost', weights: statements.map(({ calls }) => calls), writeWeight: 1 };
  const totalMs = mean(statements.map((statement) => statement.totalMs));
  const totalCost = mean(statements.map(({ calls }, at) => calls * baseCosts[at]!));
  return {
    unit: 'ms',
    weights: statements.map((statement, at) => (baseCosts[at]! > 0 ? statement.totalMs / baseCosts[at]! : 0)),
    writeWeight: totalCost > 0 ? totalMs / totalCost : 0,
  };
}

/** HypoPG imagines few methods, and one it cannot spoils the whole question. */
function imaginable(planner: Planner, definitions: readonly IndexDefinition[]): readonly IndexDefinition[] {
  return planner.engine === 'hypopg' ? definitions.filter(({ method }) => method === 'btree') : definitions;
}
