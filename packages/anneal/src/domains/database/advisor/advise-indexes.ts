import type { DatabaseSnapshot, SnapshotIndex } from '../../../ports/database-snapshot.ts';
import type { IndexDefinition, Planner, PlanNode, ShadowPlanner } from '../../../ports/planner.ts';
import type { SqlParser } from '../../../ports/sql-parser.ts';
import { type SchemaFacts, serves } from '../index-candidates.ts';
import { indexSizes, tableStatistics } from '../index-size.ts';
import type { Advice, AdviceOptions } from './advisor.ts';
import { dropProposals, whyNoneIsUnused } from './drops.ts';
import { mean } from './planner-costs.ts';
import { proposals } from './propose.ts';
import { answerTo, openQuestion, type Question } from './question.ts';
import type { SearchAnswer, SearchLimits } from './search.ts';
import { secondOpinion } from './second-opinion.ts';
import { factsByTable, factsOf } from './snapshot-facts.ts';
import { mayServe } from './statement-candidates.ts';
import { explainRejection, parseIndexRequest, type Rejection, type RejectionContext } from './why-not.ts';
import { adviseWorkload } from './workload.ts';

export interface AdvisorInput {
  readonly snapshot: DatabaseSnapshot;
  readonly planner: Planner | ShadowPlanner;
  readonly parser: SqlParser;
  readonly options: AdviceOptions;
  /** Ends everything that can be ended; the best answer so far stands. */
  readonly signal: AbortSignal;
  /** Ends the search alone, so that time is left for the second opinion. */
  readonly searchSignal?: AbortSignal;
  /** Told of every better answer: share of the workload's cost that is left, and plans made. */
  readonly onAnswer?: (answer: SearchAnswer) => void;
}

/** The advice, and questions that can still be asked while the planner is open. */
export interface AdviceSession {
  readonly advice: Advice;
  /** Why these indexes are not proposed; empty where the text names none that could be. Throws nothing for hostile text. */
  whyNot(request: string): Promise<readonly Rejection[]>;
}

/** An index's own share of the planner's error is 4-6 % on TPC-H; what saves less than a thousandth of the workload no trial could see. */
const defaultThresholdShare = 0.001;
const defaultWidth = 3;
const defaultPlans = 20_000;
/** Azure's index tuning stops at a tenth of the disk; small databases may have what costs nobody anything. */
const defaultBudget = { share: 0.1, leastBytes: 100e6 } as const;

/** Selects indexes for the workload of a snapshot, with reasons, risks, upkeep and drops. The caller owns the planner. */
export async function adviseIndexes(input: AdvisorInput): Promise<AdviceSession> {
  const { snapshot, planner, parser, options, signal, searchSignal = signal, onAnswer } = input;
  const facts = factsOf(snapshot);
  const workload = adviseWorkload(snapshot, parser, factsByTable(facts));
  const sizeOf = indexSizes(snapshot);
  const tablesBytes = facts.tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const budgetBytes = options.budgetBytes ?? Math.max(defaultBudget.leastBytes, defaultBudget.share * tablesBytes);
  const asked = { snapshot, planner, workload, sizeOf, budgetBytes, width: options.width ?? defaultWidth };
  const limits: SearchLimits = {
    plans: options.plans ?? defaultPlans,
    signal,
    thresholdShare: options.thresholdShare ?? defaultThresholdShare,
    seed: options.seed ?? 1,
  };
  const question = await openQuestion(asked);
  const { answer, memory } = await answerTo(question, { ...limits, signal: searchSignal }, onAnswer);
  const leastGain = limits.thresholdShare * answer.baseCost;
  const proposed = await proposals(answer, memory, {
    ...question,
    sizeOf,
    statisticsOf: ({ schema, table }) => tableStatistics(snapshot, schema, table),
    pagesOf: (table) => snapshot.tables.filter(({ name }) => name === table).reduce((sum, { filePages }) => sum + filePages, 0),
  });
  const drops = await dropProposals(snapshot, {
    used: await existingInUse(question, snapshot),
    lossWithout: (index) => (planner.engine === 'shadow' ? lossWithout(index, question) : Promise.resolve(null)),
    leastLoss: leastGain,
  });
  const unused = whyNoneIsUnused(snapshot);
  const opinion = await secondOpinion(asked, answer, limits);
  const advice: Advice = {
    engine: planner.engine,
    unit: question.unit,
    costBefore: answer.baseCost,
    costAfter: answer.cost,
    upkeep: answer.upkeep,
    floorCost: answer.floorCost,
    budgetBytes,
    sizeBytes: answer.sizeBytes,
    proposals: proposed,
    drops,
    otherSettings: opinion.answers,
    plans: question.costs.plans() + opinion.plans,
    statements: { planned: question.statements.length, writes: workload.writes.length },
    gaps: [
      ...snapshot.gaps,
      ...('gaps' in planner ? planner.gaps : []),
      ...workload.gaps,
      ...question.gaps,
      ...(unused === null ? [] : [unused]),
      ...(searchSignal.aborted ? ['the search was ended early: more time may find more'] : []),
    ],
  };
  const context: RejectionContext = {
    answer,
    memory,
    weights: question.weights,
    statementIds: question.statements.map(({ id }) => id),
    isRelevant: (statement, index) => mayServe(question.statements[statement]!.reads, index),
    existing: (index) => facts.indexes.find((each) => serves(each, { definition: index, equalityKeys: 0 }))?.name ?? null,
    refusal: async (index) => ('whyNot' in planner ? planner.whyNot({ index }) : null),
    budgetBytes,
    leastGain,
    unit: question.unit === 'ms' ? 'ms' : 'units of plan cost',
  };
  return {
    advice,
    whyNot: async (request) => {
      const rejections: Rejection[] = [];
      for (const definition of requested(request, facts)) rejections.push(await explainRejection(definition, context));
      return rejections;
    },
  };
}

/** Existing indexes that some plan of the workload reads. */
async function existingInUse({ costs, statements }: Question, { indexes }: DatabaseSnapshot): Promise<ReadonlySet<string>> {
  const read = new Set<string>();
  const visit = (node: PlanNode): void => {
    if (node['Index Name'] !== undefined) read.add(node['Index Name']);
    node.Plans?.forEach(visit);
  };
  for (const at of statements.keys()) for (const plan of (await costs.plansOf(at, [])) ?? []) visit(plan.root);
  return new Set(indexes.filter(({ name }) => read.has(name)).map(({ schema, name }) => `${schema}.${name}`));
}

/** What the workload costs more without an existing index. */
async function lossWithout({ schema, name, table }: SnapshotIndex, { costs, statements, weights, baseCosts }: Question): Promise<number> {
  let loss = 0;
  for (const [at, { shape }] of statements.entries()) {
    if (!shape.tables.some((reference) => reference.name === table)) continue;
    const plans = await costs.plansOf(at, [], { hidden: [{ schema, name }] });
    if (plans !== null) loss += weights[at]! * (mean(plans.map(({ totalCost }) => totalCost)) - baseCosts[at]!);
  }
  return loss;
}

/** The indexes a `--why-not` means: on the named table, or on each that has all such columns. */
function requested(request: string, facts: SchemaFacts): readonly IndexDefinition[] {
  const asked = parseIndexRequest(request);
  if (asked === null) return [];
  const { schema, table, keys } = asked;
  const words = keys.map((key) => /^"?([\w$]+)/u.exec(key)?.[1] ?? key);
  return facts.tables
    .filter((each) => (table === null || each.name === table) && (schema === null || each.schema === schema))
    .filter(
      (each) =>
        table !== null ||
        words.every((word) =>
          facts.columns.some((column) => column.schema === each.schema && column.table === each.name && column.name === word),
        ),
    )
    .map((each) => ({ schema: each.schema, table: each.name, keys, method: 'btree', include: [], predicate: null }));
}
