import type { CandidatePool } from './candidate-pool.ts';
import type { KnownPlan, KnownPlans } from './known-plans.ts';
import { expressionOf } from './related-indexes.ts';

export interface Terrain {
  readonly known: KnownPlans;
  readonly pool: CandidatePool;
  /** By statement. */
  readonly weights: readonly number[];
  /** By statement: a plan that costs this much is of no interest. */
  readonly costsToBeat: readonly number[];
  readonly canAsk: () => boolean;
  /** Indexes that are there in any case and are never withheld. */
  readonly kept?: ReadonlySet<number>;
}

export interface Exploration {
  /** Asks about `questions` more, where most is to be gained; false when nothing is left to ask. */
  advance(questions: number): Promise<boolean>;
}

/** A plan, and what had to be withheld to see it. */
interface View {
  readonly statement: number;
  readonly plan: KnownPlan;
  readonly withheld: ReadonlySet<number>;
}

/**
 * The other ways to run each statement. A statement's best plan with everything on offer is rarely the one it gets
 * under a budget, so what a plan uses is withheld, one index at a time, and the planner asked again: the next best
 * plan, and so on down to the plan without indexes. Every answer is a way the selection can count on.
 *
 * Withholding an index also withholds those no smaller that begin with the same key: they could only take its place at a higher price.
 */
export function explorePlans(
  { known, pool, weights, costsToBeat, canAsk, kept = new Set() }: Terrain,
  roots: readonly { readonly statement: number; readonly offered: readonly number[] }[],
): Exploration {
  const open: View[] = [];
  const seen = new Set<string>();
  const expanded = weights.map(() => 0);
  const waiting = [...roots];
  const count = { asked: 0 };

  const look = async (statement: number, offered: readonly number[], withheld: ReadonlySet<number>): Promise<void> => {
    const shown = offered.filter((index) => !withheld.has(index));
    if (known.recall(statement, shown) === null) count.asked += 1;
    const plan = await known.plan(statement, shown);
    const key = `${statement}:${[...plan.uses].sort((a, b) => a - b).join()}`;
    if (seen.has(key) || plan.uses.length === 0 || plan.cost >= costsToBeat[statement]!) return;
    seen.add(key);
    open.push({ statement, plan, withheld });
  };
  /** What the statement still saves with this plan, less for every time it was looked at: none takes all the questions. */
  const promise = ({ statement, plan }: View) => (weights[statement]! * (costsToBeat[statement]! - plan.cost)) / (1 + expanded[statement]!);

  return {
    async advance(questions) {
      const enough = count.asked + questions;
      while (canAsk() && count.asked < enough) {
        const root = waiting.shift();
        if (root !== undefined) {
          await look(root.statement, root.offered, new Set());
          continue;
        }
        if (open.length === 0) return false;
        const at = open.reduce((best, view, position) => (promise(view) > promise(open[best]!) ? position : best), 0);
        const [{ statement, plan, withheld }] = open.splice(at, 1) as [View];
        expanded[statement]! += 1;
        const offered = [...plan.offered];
        for (const index of plan.uses) {
          if (kept.has(index) || !canAsk()) continue;
          const replaced = replacements(index, offered, pool).filter((other) => !kept.has(other));
          await look(statement, offered, new Set([...withheld, ...replaced]));
        }
      }
      return waiting.length > 0 || open.length > 0;
    },
  };
}

/** The index, and those of the offered that begin with the same key and are no smaller. */
function replacements(index: number, offered: readonly number[], pool: CandidatePool): readonly number[] {
  const { definition, sizeBytes } = pool.at(index);
  const { schema, table, method, predicate } = definition;
  return offered.filter((other) => {
    const candidate = pool.at(other);
    const theirs = candidate.definition;
    if (other === index) return true;
    if (theirs.table !== table || theirs.schema !== schema || theirs.method !== method || theirs.predicate !== predicate) return false;
    return expressionOf(theirs.keys[0]!) === expressionOf(definition.keys[0]!) && candidate.sizeBytes >= sizeBytes;
  });
}
