import type { Access } from './choose-set.ts';

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
  accesses(): readonly (readonly Access[])[];
  /** Questions that reached the planner. */
  asked(): number;
}

export function rememberPlans(statements: number, ask: AskPlanner, isRelevant: (statement: number, index: number) => boolean): KnownPlans {
  const known: KnownPlan[][] = Array.from({ length: statements }, () => []);
  let asked = 0;
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
      asked += 1;
      const plan: KnownPlan = { ...(await ask(statement, offered)), offered: new Set(offered) };
      known[statement]!.push(plan);
      return plan;
    },
    accesses: () => known,
    asked: () => asked,
  };
}
