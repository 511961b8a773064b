import type { CandidatePool } from './candidate-pool.ts';
import type { KnownPlan, KnownPlans } from './known-plans.ts';
import { expressionOf } from './related-indexes.ts';

/** A plan, and what had to be withheld to see it. */
interface Node {
  readonly statement: number;
  readonly plan: KnownPlan;
  readonly withheld: ReadonlySet<number>;
}

/**
 * The other ways to run each statement. A statement's best plan with everything on offer is rarely the one it gets
 * under a budget, so what a plan uses is withheld, one index at a time, and the planner asked again: the next best
 * plan, and so on down to the plan without indexes. Every answer is a way the selection can count on.
 *
 * Withholding an index also withholds the wider ones that begin with the same key: they could only take its place at a higher price.
 */
export interface Exploration {
  /** Asks up to `plans` questions where most is still to be gained; false when nothing is left to ask. */
  advance(plans: number): Promise<boolean>;
}

export function explorePlans(
  known: KnownPlans,
  pool: CandidatePool,
  roots: readonly { readonly statement: number; readonly offered: readonly number[] }[],
  weights: readonly number[],
  baseCosts: readonly number[],
  canAsk: () => boolean,
): Exploration {
  const open: Node[] = [];
  const seen = new Set<string>();
  const expanded = weights.map(() => 0);
  const waiting = [...roots];

  const visit = async (statement: number, offered: readonly number[], withheld: ReadonlySet<number>): Promise<void> => {
    const plan = await known.plan(
      statement,
      offered.filter((index) => !withheld.has(index)),
    );
    const key = `${statement}:${[...plan.uses].sort((a, b) => a - b).join()}`;
    if (seen.has(key) || plan.uses.length === 0) return;
    seen.add(key);
    open.push({ statement, plan, withheld });
  };
  /** What the statement still saves at this plan, less for every time it was looked at: no statement takes all the questions. */
  const promise = ({ statement, plan }: Node) => (weights[statement]! * (baseCosts[statement]! - plan.cost)) / (1 + expanded[statement]!);

  return {
    async advance(plans) {
      const last = known.asked() + plans;
      while (canAsk() && known.asked() < last) {
        const root = waiting.shift();
        if (root !== undefined) {
          await visit(root.statement, root.offered, new Set());
          continue;
        }
        if (open.length === 0) return false;
        const at = open.reduce((best, node, position) => (promise(node) > promise(open[best]!) ? position : best), 0);
        const [node] = open.splice(at, 1);
        const { statement, plan, withheld } = node!;
        expanded[statement]! += 1;
        for (const index of plan.uses) {
          if (!canAsk()) return true;
          const offered = [...plan.offered];
          await visit(statement, offered, new Set([...withheld, ...replacements(index, offered, pool)]));
        }
      }
      return waiting.length > 0 || open.length > 0;
    },
  };
}

function replacements(index: number, offered: readonly number[], pool: CandidatePool): readonly number[] {
  const { definition, sizeBytes } = pool.at(index);
  return offered.filter((other) => {
    const candidate = pool.at(other);
    return (
      other === index ||
      (candidate.definition.table === definition.table &&
        candidate.definition.schema === definition.schema &&
        candidate.definition.method === definition.method &&
        candidate.definition.predicate === definition.predicate &&
        expressionOf(candidate.definition.keys[0]!) === expressionOf(definition.keys[0]!) &&
        candidate.sizeBytes >= sizeBytes)
    );
  });
}
