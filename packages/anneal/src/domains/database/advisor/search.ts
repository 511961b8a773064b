import type { IndexDefinition } from '../../../ports/planner.ts';
import { seededRandom } from '../../../stats/random.ts';
import { type Candidate, type CandidatePool, openPool } from './candidate-pool.ts';
import { chooseSet } from './choose-set.ts';
import { explorePlans, type Root } from './explore-plans.ts';
import { type KnownPlans, rememberPlans } from './known-plans.ts';
import { relatedIndexes } from './related-indexes.ts';
import type { Access, Selection } from './selection-state.ts';

/** What the workload costs under a set of indexes that do not exist yet. */
export interface CostModel {
  /** One execution of the statement (by position) with these indexes beside the existing ones; `uses` are positions in `indexes`. */
  cost(statement: number, indexes: readonly IndexDefinition[]): Promise<Access>;
  /** Plans that the planner has made so far. */
  plans(): number;
}

export interface SearchStatement {
  /** How much one unit of its cost counts: its calls, or what measured time says. */
  readonly weight: number;
  /** Indexes of at most `width` columns that could serve it; `liked` are those the planner chose among narrower ones. */
  candidates(width: number, liked: readonly IndexDefinition[]): readonly IndexDefinition[];
  /** Whether the planner could use it here at all: questions that differ in others only are one question. */
  isRelevant(definition: IndexDefinition): boolean;
}

export interface SearchProblem {
  readonly statements: readonly SearchStatement[];
  /** Plans that a question about every statement takes at most. */
  readonly plansToVerify: number;
  readonly budgetBytes: number;
  /** Columns of an index, payload included. */
  readonly width: number;
  readonly sizeOf: (definition: IndexDefinition) => number;
  /** What keeping the index up costs the workload's writes, in weight times cost. */
  readonly upkeepOf: (definition: IndexDefinition) => number;
}

export interface SearchLimits {
  readonly plans: number;
  /** Ends the search; the best answer so far stands. */
  readonly signal: AbortSignal;
  /**
   * Share of the workload's cost that an index has to earn beyond its upkeep, and that a few rounds of looking for more must
   * have found for the search to go on. With 0 it goes on while there is anything to ask.
   */
  readonly thresholdShare: number;
  readonly seed: number;
}

/** An answer, verified: every statement was planned under exactly this set. */
export interface SearchAnswer {
  readonly indexes: readonly Candidate[];
  /** Weighted cost of the workload with the set, without the set's upkeep. */
  readonly cost: number;
  readonly upkeep: number;
  readonly sizeBytes: number;
  /** By statement: the cost of one execution, and the positions in `indexes` that its plan uses. */
  readonly statements: readonly Access[];
  readonly baseCost: number;
  /** The least the workload was seen to cost, each statement with what suits it best and no budget. */
  readonly floorCost: number;
  readonly plans: number;
}

/** What the search has learnt, for questions that come after it. */
export interface SearchMemory {
  readonly pool: CandidatePool;
  readonly known: KnownPlans;
}

/** How much is asked in one go, per statement: a dozen ways to run it are more than a choice among indexes ever weighs. */
const plansPerStatement = 12;
/** In memory a kick costs a millisecond or two. */
const kicksInMemory = 12;
/** Sets planned in a round that looks for other good ones. */
const rivalsPerRound = 60;
/** Each verification confirms the choice or informs the next. */
const verifications = 6;
/** Rounds without a gain worth the name, or with nothing left to ask, before the search ends. */
const idleRounds = 3;

/**
 * Finds a set of indexes for the workload, in answers that get better. First the planner names each statement's winners out of all
 * its candidates at once, one question for each width; their prefixes and merges join in, and the ways it showed are combined in
 * memory (`choose-set.ts`). After that every question is one whose answer can change the choice: other ways to run a
 * statement, what it does without an index it has or with those there would be room for, and other good sets as a whole.
 */
export async function* searchIndexes(
  problem: SearchProblem,
  model: CostModel,
  limits: SearchLimits,
): AsyncGenerator<SearchAnswer, SearchMemory> {
  const { statements, budgetBytes } = problem;
  const pool = openPool(problem);
  const isRelevant = relevance(problem, pool);
  const known = rememberPlans(
    statements.length,
    async (statement, indexes) => {
      const { cost, uses } = await model.cost(
        statement,
        indexes.map((index) => pool.at(index).definition),
      );
      return { cost, uses: uses.map((at) => indexes[at]!) };
    },
    isRelevant,
  );
  const random = seededRandom(limits.seed, 'index search');
  const weights = statements.map(({ weight }) => weight);
  const canAsk = () => !limits.signal.aborted && model.plans() < limits.plans;
  /** A verification is worth starting only if it can be finished. */
  const canVerify = () => !limits.signal.aborted && model.plans() + problem.plansToVerify <= limits.plans;
  const burst = statements.length * plansPerStatement;

  const baseCosts: number[] = [];
  for (const statement of statements.keys()) baseCosts.push((await known.plan(statement, [])).cost);
  const baseCost = weighted(baseCosts);
  const leastGain = limits.thresholdShare * baseCost;
  let best = await verify([]);
  yield best.answer;

  const everything = yield* nameWinners();
  const exploration = explorePlans({ known, pool, weights, costsToBeat: baseCosts, canAsk }, rootsUnder(everything));
  let isOpen = await exploration.advance(burst);
  yield* settle(kicksInMemory);
  const visited = new Set<string>();
  for (let idle = 0; idle < idleRounds && canAsk();) {
    const [before, plans] = [best.total, model.plans()];
    await askAround(best.indexes);
    yield* settle(kicksInMemory);
    if (best.total === before && isOpen) {
      isOpen = await exploration.advance(burst);
      yield* settle(kicksInMemory);
    }
    if (best.total === before) {
      yield* tryRivals();
      yield* settle(kicksInMemory);
    }
    const gained = before - best.total;
    idle = gained < leastGain || (gained === 0 && model.plans() === plans) ? idle + 1 : 0;
  }
  return { pool, known };

  /** Returns, by statement, every index it could use. Narrow winners come first, so that an answer is there early. */
  async function* nameWinners(): AsyncGenerator<SearchAnswer, readonly (readonly number[])[]> {
    const offered = statements.map(() => new Set<number>());
    for (let width = 1; width <= problem.width; width += 1) {
      for (const [at, statement] of statements.entries()) {
        const liked = known.accesses()[at]!.flatMap(({ uses }) => uses.map((index) => pool.at(index).definition));
        for (const definition of statement.candidates(width, liked)) offered[at]!.add(pool.position(definition));
        if (canAsk()) await known.plan(at, [...offered[at]!]);
      }
      yield* settle(0);
    }
    const winners = inUse();
    const definitions = winners.map((index) => pool.at(index).definition);
    const universe = [...winners, ...relatedIndexes(definitions, problem.width).map((definition) => pool.position(definition))];
    const all = offered.map((own, at) => relevantOf(at, [...own, ...universe]));
    for (const [at, indexes] of all.entries()) if (canAsk()) await known.plan(at, indexes);
    yield* settle(kicksInMemory);
    return all;
  }

  /**
   * Everything a statement could use; the same without what is large, because under a budget small sets decide; and without the indexes
   * of one table, or with those alone, because a budget that pays for one table's indexes may not pay for another's.
   */
  function rootsUnder(all: readonly (readonly number[])[]): readonly Root[] {
    return all.flatMap((indexes, statement) => {
      const tables = [...Map.groupBy(indexes, (index) => tableOf(pool.at(index))).values()].map((own) => new Set(own));
      return [
        ...[1, 2, 4, 8, 16].map((part) => indexes.filter((index) => pool.at(index).sizeBytes <= budgetBytes / part)),
        ...tables.map((own) => indexes.filter((index) => !own.has(index))),
        ...tables.map((own) => [...own]),
      ].map((offered) => ({ statement, offered }));
    });
  }

  /** Chooses from what is known and has it verified, again while that teaches something. */
  async function* settle(kicks: number): AsyncGenerator<SearchAnswer> {
    for (let round = 0; round < verifications && canVerify(); round += 1) {
      const choice = chooseSet(selection(), best.indexes, random, kicks);
      if (choice.total >= best.total) return;
      const plans = model.plans();
      const found = await verify(choice.indexes);
      if (found.total < best.total) {
        best = found;
        yield best.answer;
      } else if (model.plans() === plans) return;
    }
  }

  /** What each statement does without one of the indexes it has, and with those there is room for or would be if one of them went. */
  async function askAround(indexes: readonly number[]): Promise<void> {
    const roomBytes = budgetBytes - bytesOf(indexes);
    const roots: Root[] = [];
    const kept = new Set(indexes);
    const rooms = [...new Set([0, ...indexes.map((index) => pool.at(index).sizeBytes), budgetBytes])].map((bytes) => roomBytes + bytes);
    // What any statement was seen to use may serve the others as well.
    const shared = inUse();
    for (const [statement, own] of everything.entries()) {
      const all = relevantOf(statement, [...own, ...shared]);
      const within = (bytes: number) => all.filter((index) => pool.at(index).sizeBytes <= bytes);
      for (const index of (await known.plan(statement, indexes)).uses) {
        if (!canAsk()) return;
        const rest = indexes.filter((other) => other !== index);
        await known.plan(statement, rest);
        const instead = within(roomBytes + pool.at(index).sizeBytes).filter((other) => other !== index);
        roots.push({ statement, offered: [...new Set([...rest, ...instead])], kept: new Set(rest) });
      }
      roots.push(...rooms.map((room) => ({ statement, offered: [...new Set([...indexes, ...within(room)])], kept })));
    }
    await explorePlans({ known, pool, weights, costsToBeat: baseCosts, canAsk }, roots).advance(burst);
  }

  /**
   * Other good sets, planned as a whole: up to half of the best one goes, one or two of those may not come back, and what the known ways
   * make of the rest is verified. Better or not, what the answers teach is in every later choice.
   */
  async function* tryRivals(): AsyncGenerator<SearchAnswer> {
    const before = best.total;
    for (let at = 0; at < rivalsPerRound && canVerify() && best.total === before; at += 1) {
      const members = random.shuffle(best.indexes);
      const out = new Set(members.slice(0, random.integer(1, Math.max(1, Math.ceil(members.length / 2)))));
      const closed = new Set([...out].slice(0, random.integer(1, 2)));
      const rival = chooseSet(
        selection(),
        best.indexes.filter((index) => !out.has(index)),
        random,
        0,
        closed,
      );
      const key = rival.indexes.join();
      if (visited.has(key)) continue;
      visited.add(key);
      const found = await verify(rival.indexes);
      if (found.total < best.total) {
        best = found;
        yield best.answer;
      }
    }
  }

  /** Every index that some known way uses. */
  function inUse(): readonly number[] {
    return [...new Set(known.accesses().flatMap((ways) => ways.flatMap(({ uses }) => uses)))];
  }

  function relevantOf(statement: number, indexes: readonly number[]): readonly number[] {
    return [...new Set(indexes)].filter((index) => isRelevant(statement, index));
  }

  function selection(): Selection {
    const candidates = Array.from({ length: pool.size() }, (_, index) => pool.at(index));
    return {
      weights,
      accesses: known.accesses(),
      sizeBytes: candidates.map(({ sizeBytes }) => sizeBytes),
      upkeep: candidates.map(({ upkeep }) => upkeep + leastGain),
      budgetBytes,
    };
  }

  async function verify(indexes: readonly number[]) {
    const plans = [];
    for (const statement of statements.keys()) plans.push(await known.plan(statement, indexes));
    for (const statement of statements.keys()) known.settle(statement, indexes);
    const cost = weighted(plans.map((plan) => plan.cost));
    const upkeep = indexes.reduce((sum, index) => sum + pool.at(index).upkeep, 0);
    const answer: SearchAnswer = {
      indexes: indexes.map((index) => pool.at(index)),
      cost,
      upkeep,
      sizeBytes: bytesOf(indexes),
      statements: plans.map((plan) => ({ cost: plan.cost, uses: plan.uses.map((index) => indexes.indexOf(index)) })),
      baseCost: weighted(baseCosts),
      floorCost: weighted(known.accesses().map((ways) => Math.min(...ways.map((way) => way.cost)))),
      plans: model.plans(),
    };
    return { answer, indexes, total: cost + upkeep + leastGain * indexes.length };
  }

  function bytesOf(indexes: readonly number[]): number {
    return indexes.reduce((sum, index) => sum + pool.at(index).sizeBytes, 0);
  }

  function weighted(costs: readonly number[]): number {
    return costs.reduce((sum, cost, at) => sum + cost * weights[at]!, 0);
  }
}

function tableOf({ definition: { schema, table } }: Candidate): string {
  return JSON.stringify([schema, table]);
}

function relevance({ statements }: SearchProblem, pool: CandidatePool): (statement: number, index: number) => boolean {
  const answers: (boolean | undefined)[][] = statements.map(() => []);
  return (statement, index) => (answers[statement]![index] ??= statements[statement]!.isRelevant(pool.at(index).definition));
}
