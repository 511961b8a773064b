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
}

/** Where to begin: a statement with everything it may use here. */
export interface Root {
  readonly statement: number;
  readonly offered: readonly number[];
  /** Indexes that are there in any case and are never withheld. */
  readonly kept?: ReadonlySet<number>;
}

export interface Exploration {
  /** Asks about `questions` more, where most is to be gained; false when nothing is left to ask. */
  advance(questions: number): Promise<boolean>;
}

/** A plan, and what had to be withheld to see it. */
interface View {
  readonly root: Root;
  readonly plan: KnownPlan;
  readonly withheld: ReadonlySet<number>;
}

/**
 * The other ways to run each statement. A statement's best plan with everything on offer is rarely the one it gets
 * under a budget, so what a plan uses is withheld, one index at a time, and the planner asked again: the next best
 * plan, and so on down to the plan without indexes. Every answer is a way the selection can count on.
 *
 * Withholding an index also withholds its wider versions, which could only take its place at a higher price; but not those that
 * other statements use, because what two share may be the cheapest for both.
 */
export function explorePlans({ known, pool, weights, costsToBeat, canAsk }: Terrain, roots: readonly Root[]): Exploration {
  const open: View[] = [];
  const seen = new Set<string>();
  const expanded = weights.map(() => 0);
  const waiting = [...roots];
  const count = { asked: 0 };

  const look = async (root: Root, withheld: ReadonlySet<number>): Promise<void> => {
    const { statement } = root;
    const shown = root.offered.filter((index) => !withheld.has(index));
    if (known.recall(statement, shown) === null) count.asked += 1;
    const plan = await known.plan(statement, shown);
    const key = `${statement}:${[...plan.uses].sort((a, b) => a - b).join()}`;
    if (seen.has(key) || plan.uses.length === 0 || plan.cost >= costsToBeat[statement]!) return;
    seen.add(key);
    open.push({ root, plan, withheld });
  };
  /** What the statement still saves with this plan, less for every time it was looked at: none takes all the questions. */
  const promise = ({ root: { statement }, plan }: View) =>
    (weights[statement]! * (costsToBeat[statement]! - plan.cost)) / (1 + expanded[statement]!);

  return {
    async advance(questions) {
      const enough = count.asked + questions;
      while (canAsk() && count.asked < enough) {
        const root = waiting.shift();
        if (root !== undefined) {
          await look(root, new Set());
          continue;
        }
        if (open.length === 0) return false;
        const at = open.reduce((best, view, position) => (promise(view) > promise(open[best]!) ? position : best), 0);
        const [view] = open.splice(at, 1) as [View];
        const { root: from, plan, withheld } = view;
        expanded[from.statement]! += 1;
        const liked = likedElsewhere(from.statement, known);
        for (const index of plan.uses) {
          if (from.kept?.has(index) === true || !canAsk()) continue;
          const replaced = replacements(index, from.offered, pool).filter((other) => from.kept?.has(other) !== true && !liked.has(other));
          await look(from, new Set([...withheld, index, ...replaced]));
        }
      }
      return waiting.length > 0 || open.length > 0;
    },
  };
}

/** What other statements use: dearer for this one alone, and maybe cheaper for all. */
function likedElsewhere(statement: number, known: KnownPlans): ReadonlySet<number> {
  return new Set(known.accesses().flatMap((ways, other) => (other === statement ? [] : ways.flatMap(({ uses }) => uses))));
}

/** Those of the offered that begin with all its keys and are no smaller: the planner had them and took this one. */
function replacements(index: number, offered: readonly number[], pool: CandidatePool): readonly number[] {
  const { definition, sizeBytes } = pool.at(index);
  const { schema, table, method, predicate, keys } = definition;
  const expressions = keys.map(expressionOf);
  return offered.filter((other) => {
    if (other === index) return false;
    const candidate = pool.at(other);
    const theirs = candidate.definition;
    if (theirs.table !== table || theirs.schema !== schema || theirs.method !== method || theirs.predicate !== predicate) return false;
    return (
      candidate.sizeBytes >= sizeBytes &&
      expressions.every((expression, at) => theirs.keys[at] !== undefined && expressionOf(theirs.keys[at]) === expression)
    );
  });
}
