import type { IndexDefinition } from '../../../ports/planner.ts';
import { seededRandom } from '../../../stats/random.ts';
import { type Candidate, type CandidatePool, openPool } from './candidate-pool.ts';
import { chooseSet, type Access } from './choose-set.ts';
import { explorePlans } from './explore-plans.ts';
import { type KnownPlans, rememberPlans } from './known-plans.ts';
import { relatedIndexes } from './related-indexes.ts';

/** What the workload costs under a set of indexes that do not exist yet. */
export interface CostModel {
  /** One execution of the statement (by position) with these indexes beside the existing ones; `uses` are positions in `indexes`. */
  cost(statement: number, indexes: readonly IndexDefinition[]): Promise<Access>;
}

export interface SearchStatement {
  /** How much one unit of its cost counts: calls, or calls times what measured time says a unit is worth. */
  readonly weight: number;
  /** Indexes of at most `width` columns that could serve it; `liked` are those the planner chose among narrower ones. */
  candidates(width: number, liked: readonly IndexDefinition[]): readonly IndexDefinition[];
  /** Whether the planner could use it here at all: questions that differ in others only are one question. */
  isRelevant(definition: IndexDefinition): boolean;
}

export interface SearchProblem {
  readonly statements: readonly SearchStatement[];
  readonly budgetBytes: number;
  /** Columns of an index, payload included. */
  readonly width: number;
  readonly sizeOf: (definition: IndexDefinition) => number;
  /** What keeping the index up costs the workload's writes, in weight times cost. */
  readonly upkeepOf: (definition: IndexDefinition) => number;
}

export interface SearchLimits {
  /** Questions to the planner. */
  readonly plans: number;
  /** Ends the search; the best answer so far stands. */
  readonly signal: AbortSignal;
  /** The search ends when a round that looked for more has found less than this share of the workload. */
  readonly thresholdShare: number;
  readonly seed: number;
}

/** An answer, verified: every statement was planned under exactly this set. */
export interface SearchAnswer {
  readonly indexes: readonly Candidate[];
  /** Weighted cost of the workload with the set, and the set's upkeep. */
  readonly cost: number;
  readonly upkeep: number;
  readonly sizeBytes: number;
  /** By statement, one execution. */
  readonly costs: readonly number[];
  /** By statement, positions in `indexes`. */
  readonly uses: readonly (readonly number[])[];
  readonly baseCost: number;
  /** Workload cost with every candidate at once, whatever it takes. */
  readonly floorCost: number;
  readonly plans: number;
}

export interface SearchState {
  readonly pool: CandidatePool;
  readonly known: KnownPlans;
}

/**
 * Finds a set of indexes for the workload, in answers that get better. Two stages: the planner names each statement's
 * winners out of all its candidates at once (two questions a statement), their prefixes and merges join in, and the ways
 * the planner showed are combined in memory (`choose-set.ts`). After that every question is one whose answer can change the
 * choice: what a statement does without an index it has, and with those it has not.
 */
export async function* searchIndexes(
  problem: SearchProblem,
  model: CostModel,
  limits: SearchLimits,
): AsyncGenerator<SearchAnswer, SearchState> {
  const { statements, budgetBytes } = problem;
  const pool = openPool(problem);
  const relevance = relevanceOf(problem, pool);
  const ask = async (statement: number, indexes: readonly number[]): Promise<Access> => {
    const { cost, uses } = await model.cost(
      statement,
      indexes.map((index) => pool.at(index).definition),
    );
    return { cost, uses: uses.map((at) => indexes[at]!) };
  };
  const known = rememberPlans(statements.length, ask, (statement, index) => relevance.has(statement, index));
  const random = seededRandom(limits.seed, 'index search');
  const weights = statements.map(({ weight }) => weight);
  const canAsk = () => !limits.signal.aborted && known.asked() < limits.plans;
  const state: SearchState = { pool, known };

  const baseCosts: number[] = [];
  for (const statement of statements.keys()) baseCosts.push((await known.plan(statement, [])).cost);
  const baseCost = weighted(baseCosts, weights);
  let best = await answerOf([]);
  yield best.answer;

  // Stage one: winners, narrow ones first, so that an answer is there early.
  const offered: Set<number>[] = statements.map(() => new Set());
  for (let width = 1; width <= problem.width; width += 1) {
    for (const [at, statement] of statements.entries()) {
      const liked = known.accesses()[at]!.flatMap(({ uses }) => uses.map((index) => pool.at(index).definition));
      for (const definition of statement.candidates(width, liked)) offered[at]!.add(pool.position(definition));
      if (canAsk()) await known.plan(at, [...offered[at]!]);
    }
    yield* settle(2);
  }
  const winners = [...new Set(known.accesses().flatMap((plans) => plans.flatMap(({ uses }) => uses)))];
  const universe = new Set(winners);
  for (const definition of relatedIndexes(
    winners.map((index) => pool.at(index).definition),
    problem.width,
  )) {
    universe.add(pool.position(definition));
  }
  const everything = statements.map((_, at) => relevance.filter(at, [...new Set([...offered[at]!, ...universe])]));
  for (const [at, indexes] of everything.entries()) if (canAsk()) await known.plan(at, indexes);
  yield* settle(4);

  // Stage two: other ways to run each statement, and what the neighbours of the best set are worth.
  const exploration = explorePlans(known, pool, rootsOf(everything, pool, budgetBytes), weights, baseCosts, canAsk);
  let isOpen = await exploration.advance(statements.length * waysPerStatement);
  yield* settle(kicksPerRound);
  let idle = 0;
  while (canAsk() && idle < idleRounds) {
    const [before, asked] = [best.total, known.asked()];
    await askAround(best.indexes);
    yield* settle(kicksPerRound);
    if (best.total === before && isOpen) {
      isOpen = await exploration.advance(statements.length * waysPerStatement);
      yield* settle(kicksPerRound);
    }
    const gained = before - best.total;
    idle = gained < limits.thresholdShare * baseCost ? idle + 1 : 0;
    if (known.asked() === asked && best.total === before) break;
  }
  return state;

  /** Chooses from what is known, has it verified, and again while that shows something better. */
  async function* settle(kicks: number): AsyncGenerator<SearchAnswer> {
    for (let round = 0; round < verifications && !limits.signal.aborted; round += 1) {
      const choice = chooseSet(
        {
          weights,
          accesses: known.accesses(),
          budgetBytes,
          sizeBytes: Array.from({ length: pool.size() }, (_, index) => pool.at(index).sizeBytes),
          upkeep: Array.from({ length: pool.size() }, (_, index) => pool.at(index).upkeep),
        },
        best.indexes,
        random,
        kicks,
      );
      if (choice.total >= best.total) return;
      const asked = known.asked();
      if (asked + statements.length > limits.plans) return;
      const found = await answerOf(choice.indexes);
      if (found.total < best.total) {
        best = found;
        yield best.answer;
      }
      if (known.asked() === asked) return;
    }
  }

  async function answerOf(indexes: readonly number[]) {
    const plans = [];
    for (const statement of statements.keys()) plans.push(await known.plan(statement, indexes));
    const costs = plans.map(({ cost }) => cost);
    const cost = weighted(costs, weights);
    const upkeep = indexes.reduce((sum, index) => sum + pool.at(index).upkeep, 0);
    const floor = known.accesses().map((ways) => Math.min(...ways.map((way) => way.cost)));
    const answer: SearchAnswer = {
      indexes: indexes.map((index) => pool.at(index)),
      cost,
      upkeep,
      sizeBytes: indexes.reduce((sum, index) => sum + pool.at(index).sizeBytes, 0),
      costs,
      uses: plans.map(({ uses }) => uses.map((index) => indexes.indexOf(index))),
      baseCost,
      floorCost: weighted(floor, weights),
      plans: known.asked(),
    };
    return { answer, indexes, total: cost + upkeep };
  }

  /** What each statement does without one of the indexes it has now, and with the candidates it has not. */
  async function askAround(indexes: readonly number[]): Promise<void> {
    const slackBytes = budgetBytes - indexes.reduce((sum, index) => sum + pool.at(index).sizeBytes, 0);
    for (const [statement, all] of everything.entries()) {
      if (!canAsk()) return;
      const { uses } = await known.plan(statement, indexes);
      for (const index of uses) {
        if (!canAsk()) return;
        const rest = indexes.filter((other) => other !== index);
        await known.plan(statement, rest);
        // In its place: whatever fits where it stood.
        const room = slackBytes + pool.at(index).sizeBytes;
        if (canAsk()) await known.plan(statement, [...rest, ...all.filter((other) => other !== index && pool.at(other).sizeBytes <= room)]);
      }
      if (canAsk()) await known.plan(statement, [...indexes, ...all.filter((index) => pool.at(index).sizeBytes <= slackBytes)]);
      if (canAsk()) await known.plan(statement, [...indexes, ...all]);
    }
  }
}

/** A dozen ways a statement is what the first pass of exploration looks for: plans beyond that are seldom part of a choice. */
const waysPerStatement = 12;
const kicksPerRound = 12;
/** Each verification either confirms the choice or makes the next one better informed. */
const verifications = 6;
const idleRounds = 3;

function weighted(costs: readonly number[], weights: readonly number[]): number {
  return costs.reduce((sum, cost, at) => sum + cost * weights[at]!, 0);
}

/** Everything a statement could use, and the same without what is large: small sets are where budgets are decided. */
function rootsOf(everything: readonly (readonly number[])[], pool: CandidatePool, budgetBytes: number) {
  return everything.flatMap((offered, statement) =>
    [1, 2, 4, 8, 16].map((part) => ({ statement, offered: offered.filter((index) => pool.at(index).sizeBytes <= budgetBytes / part) })),
  );
}

function relevanceOf({ statements }: SearchProblem, pool: CandidatePool) {
  const answers: (boolean | undefined)[][] = statements.map(() => []);
  const has = (statement: number, index: number): boolean =>
    (answers[statement]![index] ??= statements[statement]!.isRelevant(pool.at(index).definition));
  return { has, filter: (statement: number, indexes: readonly number[]) => indexes.filter((index) => has(statement, index)) };
}
