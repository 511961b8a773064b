import type { Access } from './selection-state.ts';

/** A plan the planner gave: among `offered` it chose `uses`. */
export interface KnownPlan extends Access {
  readonly offered: ReadonlySet<number>;
}

/** Asks the planner for one execution of a statement with exactly these indexes beside those that exist already. */
export type AskPlanner = (statement: number, indexes: readonly number[]) => Promise<Access>;

/**
 * What the planner said so far. It chooses the cheapest plan, so an answer says more than was asked: the plan
 * chosen among `offered` is also the one for every set between its `uses` and `offered` (Papadomanolakis, Dash and Ailamaki,
 * "Efficient Use of the Query Optimizer for Automated Physical Design", VLDB 2007), and such a set is never asked.
 */
export interface KnownPlans {
  /** Answers from memory where it can; `isRelevant` indexes only are offered. */
  plan(statement: number, indexes: readonly number[]): Promise<KnownPlan>;
  /** The plan under a set if it follows from what is known, without asking. */
  recall(statement: number, indexes: readonly number[]): KnownPlan | null;
  /**
   * Takes the answer for a set as the last word on it: a way that is open there and was said to be cheaper is not, because the
   * planner prunes by rough comparison (add_path's fuzz factor of 1 %) and does not always find its own cheapest plan.
   */
  settle(statement: number, indexes: readonly number[]): void;
  accesses(): readonly (readonly Access[])[];
}

export function rememberPlans(statements: number, ask: AskPlanner, isRelevant: (statement: number, index: number) => boolean): KnownPlans {
  const known: KnownPlan[][] = Array.from({ length: statements }, () => []);
  const ways: Access[][] = Array.from({ length: statements }, () => []);
  const recall = (statement: number, indexes: readonly number[]): KnownPlan | null => {
    const wanted = new Set(indexes.filter((index) => isRelevant(statement, index)));
    return (
      known[statement]!.find(
        ({ uses, offered }) => uses.every((index) => wanted.has(index)) && [...wanted].every((index) => offered.has(index)),
      ) ?? null
    );
  };
  return {
    recall,
    async plan(statement, indexes) {
      const recalled = recall(statement, indexes);
      if (recalled !== null) return recalled;
      const offered = indexes.filter((index) => isRelevant(statement, index));
      const plan: KnownPlan = { ...(await ask(statement, offered)), offered: new Set(offered) };
      known[statement]!.push(plan);
      ways[statement]!.push({ cost: plan.cost, uses: plan.uses });
      return plan;
    },
    settle(statement, indexes) {
      const plan = recall(statement, indexes);
      if (plan === null) return;
      const present = new Set(indexes);
      ways[statement] = ways[statement]!.map((way) =>
        way.cost < plan.cost && way.uses.every((index) => present.has(index)) ? { ...way, cost: plan.cost } : way,
      );
    },
    accesses: () => ways,
  };
}
