import type { Random } from '../../../stats/random.ts';
import { openState, type Choice, type Selection, type SelectionState } from './selection-state.ts';

/**
 * The best set under the budget, as far as the known ways tell. A statement costs the cheapest way whose
 * indexes are all there (the atomic configurations of Finkelstein, Schkolnick and Tiberio, 1988), so two indexes that
 * pay only together are added together.
 *
 * Starts from `start`, drops by cost lost per byte until it fits, fills, then swaps until no swap helps; after that
 * it kicks a few members out, closes the door behind one of them and climbs again (iterated local search). What is
 * `closed` never comes in. The same seed gives the same answer.
 */
export function chooseSet(
  selection: Selection,
  start: readonly number[],
  random: Random,
  kicks: number,
  closed: ReadonlySet<number> = new Set(),
): Choice {
  const state = openState(selection);
  state.add(start.filter((index) => !closed.has(index)));
  climb(state, selection, closed);
  let best = state.choice();
  for (let kick = 0; kick < kicks; kick += 1) {
    state.restore(best.indexes);
    const members = random.shuffle(best.indexes);
    const out = members.slice(0, random.integer(1, Math.max(1, Math.ceil(members.length * kickedShare))));
    state.remove(out);
    climb(state, selection, new Set([...closed, ...out.slice(0, 1)]));
    climb(state, selection, closed);
    const found = state.choice();
    if (found.total < best.total - tiny(best.total)) best = found;
  }
  return best;
}

/** A third of the set is far enough to leave a local optimum and near enough to keep what is good in it. */
const kickedShare = 1 / 3;

/** Below the precision of a sum of thousands of doubles nothing is a gain. */
function tiny(total: number): number {
  return Math.abs(total) * 1e-9;
}

/** Drops what does not fit or does not pay, then makes the best addition (with what it displaces) until none pays. */
function climb(state: SelectionState, selection: Selection, closed: ReadonlySet<number>): void {
  const { sizeBytes, budgetBytes } = selection;
  state.shrink(budgetBytes, [], true);
  for (;;) {
    const additions = state
      .openings()
      .filter((members) => !members.some((index) => closed.has(index)))
      .map((members) => ({ members, gain: state.gain(members), bytes: members.reduce((sum, index) => sum + sizeBytes[index]!, 0) }))
      .filter(({ gain, bytes }) => gain > tiny(state.total()) && bytes <= budgetBytes);
    const room = budgetBytes - state.sizeBytes();
    // While there is room gain per byte decides, the knapsack's own greedy.
    const fitting = additions.filter(({ bytes }) => bytes <= room);
    let best = fitting.reduce<Addition | null>(
      (found, each) => (found === null || each.gain / each.bytes > found.gain / found.bytes ? each : found),
      null,
    );
    let out: readonly number[] = [];
    if (best === null) {
      // Where something has to go the gain itself does, and no swap can be worth more than what it adds.
      let net = tiny(state.total());
      for (const addition of additions.toSorted((a, b) => b.gain - a.gain)) {
        if (addition.gain <= net) break;
        const swap = displaced(state, selection, addition);
        if (swap.net > net) [best, net, out] = [addition, swap.net, swap.out];
      }
    }
    if (best === null) return;
    state.add(best.members);
    state.remove(out);
    state.shrink(budgetBytes, [], true);
  }
}

interface Addition {
  readonly members: readonly number[];
  readonly gain: number;
  readonly bytes: number;
}

/** What has to go for an addition to fit, and what is left of its gain: many cheap ones by the byte, or one that is large enough. */
function displaced(state: SelectionState, selection: Selection, { members, gain }: Addition) {
  const { budgetBytes } = selection;
  state.add(members);
  const before = state.total();
  const single = state.cheapest(state.sizeBytes() - budgetBytes, members);
  const many = state.shrink(budgetBytes, members, false);
  const net = state.sizeBytes() <= budgetBytes ? gain - (state.total() - before) : 0;
  state.add(many);
  state.remove(members);
  return single !== null && gain - single.lost > net ? { out: [single.index], net: gain - single.lost } : { out: many, net };
}
