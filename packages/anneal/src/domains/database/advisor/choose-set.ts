import type { Random } from '../../../stats/random.ts';

/** A way one statement can be run: what it costs, and the indexes (by position) it needs for that. */
export interface Access {
  readonly cost: number;
  readonly uses: readonly number[];
}

/** All that choosing needs: no planner is asked here, so a hundred thousand sets cost a second. */
export interface Selection {
  /** How much one unit of a statement's cost counts. */
  readonly weights: readonly number[];
  /** Known ways of every statement. One of them must need nothing: the statement as it runs today. */
  readonly accesses: readonly (readonly Access[])[];
  readonly sizeBytes: readonly number[];
  /** What keeping an index up costs the workload's writes, in the unit of weight times cost. */
  readonly upkeep: readonly number[];
  readonly budgetBytes: number;
}

export interface Choice {
  readonly indexes: readonly number[];
  /** Weighted cost of all statements with their cheapest known way, plus the upkeep of the chosen. */
  readonly total: number;
  readonly sizeBytes: number;
}

/**
 * The best set under the budget, as far as the known ways tell. A statement costs the cheapest way whose
 * indexes are all there (the atomic configurations of Finkelstein, Schkolnick and Tiberio, 1988), so two indexes that
 * pay only together are added together.
 *
 * Starts from `start`, drops by cost lost per byte until it fits, fills, then swaps until no swap helps; after that
 * it kicks a few members out, closes the door behind one of them and climbs again (iterated local search). The
 * same seed gives the same answer.
 */
export function chooseSet(selection: Selection, start: readonly number[], random: Random, kicks: number): Choice {
  const state = openState(selection);
  for (const index of start) state.add(index);
  climb(state, selection, new Set());
  let best = state.choice();
  for (let kick = 0; kick < kicks; kick += 1) {
    state.restore(best.indexes);
    const members = random.shuffle(best.indexes);
    const out = members.slice(0, random.integer(1, Math.max(1, Math.ceil(members.length * kickedShare))));
    for (const index of out) state.remove(index);
    climb(state, selection, new Set(out.slice(0, 1)));
    climb(state, selection, new Set());
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
function climb(state: State, selection: Selection, closed: ReadonlySet<number>): void {
  state.shrink(selection.budgetBytes, new Set());
  for (;;) {
    let best: { readonly members: readonly number[]; readonly out: readonly number[]; readonly worth: number } | null = null;
    for (const members of state.openings()) {
      if (members.some((index) => closed.has(index))) continue;
      const bytes = members.reduce((sum, index) => sum + selection.sizeBytes[index]!, 0);
      if (bytes > selection.budgetBytes) continue;
      const gain = state.gain(members);
      if (gain <= tiny(state.total())) continue;
      const fits = state.sizeBytes() + bytes <= selection.budgetBytes;
      const trial = fits ? { out: [], net: gain } : displaced(state, selection, members, gain);
      if (trial === null || trial.net <= tiny(state.total())) continue;
      // Gain per byte while there is room (the knapsack's own greedy), plain gain where something has to go.
      const worth = fits ? trial.net / Math.max(1, bytes) : trial.net / selection.budgetBytes;
      if (best === null || worth > best.worth) best = { members, out: trial.out, worth };
    }
    if (best === null) return;
    for (const index of best.members) state.add(index);
    for (const index of best.out) state.remove(index);
    state.shrink(selection.budgetBytes, new Set());
  }
}

/** What has to go for `members` to fit, and what is left of the gain; null when the loss is at least the gain. */
function displaced(state: State, selection: Selection, members: readonly number[], gain: number) {
  for (const index of members) state.add(index);
  const before = state.total();
  const out = state.shrink(selection.budgetBytes, new Set(members));
  const net = gain - (state.total() - before);
  for (const index of out) state.add(index);
  for (const index of members) state.remove(index);
  return net > 0 ? { out, net } : null;
}

interface State {
  add(index: number): void;
  remove(index: number): void;
  restore(indexes: readonly number[]): void;
  /** Removes what costs least per byte until the rest fits, and whatever does not earn its upkeep; returns what went. */
  shrink(budgetBytes: number, keep: ReadonlySet<number>): readonly number[];
  /** Sets of absent indexes that would open a cheaper way for some statement. */
  openings(): Iterable<readonly number[]>;
  /** What the total falls by when all of `members` are added. */
  gain(members: readonly number[]): number;
  total(): number;
  sizeBytes(): number;
  choice(): Choice;
}

function openState(selection: Selection): State {
  const { weights, sizeBytes, upkeep } = selection;
  const accesses = selection.accesses.map(undominated);
  const count = sizeBytes.length;
  const present = new Uint8Array(count);
  /** By statement: position of the way in use. The last way needs nothing. */
  const current = accesses.map((ways) => ways.length - 1);
  /** By index: the ways that need it. */
  const needing: { readonly statement: number; readonly way: number }[][] = Array.from({ length: count }, () => []);
  for (const [statement, ways] of accesses.entries()) {
    for (const [way, { uses }] of ways.entries()) for (const index of uses) needing[index]!.push({ statement, way });
  }
  const costOf = (statement: number, way: number) => weights[statement]! * accesses[statement]![way]!.cost;
  const isOpen = (statement: number, way: number) => accesses[statement]![way]!.uses.every((index) => present[index] === 1);
  let total = accesses.reduce((sum, ways, statement) => sum + costOf(statement, ways.length - 1), 0);
  let bytes = 0;

  /** The cheapest open way that does without `index`, at or after the current one. */
  const wayWithout = (statement: number, index: number): number => {
    let way = current[statement]!;
    while (accesses[statement]![way]!.uses.includes(index) || !isOpen(statement, way)) way += 1;
    return way;
  };
  /** What the total rises by when `index` goes. */
  const loss = (index: number): number => {
    let sum = -upkeep[index]!;
    for (let statement = 0; statement < accesses.length; statement += 1) {
      const way = current[statement]!;
      if (accesses[statement]![way]!.uses.includes(index)) {
        sum += costOf(statement, wayWithout(statement, index)) - costOf(statement, way);
      }
    }
    return sum;
  };
  const improvements = (members: readonly number[]): ReadonlyMap<number, number> => {
    const better = new Map<number, number>();
    for (const index of members) {
      for (const { statement, way } of needing[index]!) {
        if (way < (better.get(statement) ?? current[statement]!) && isOpen(statement, way)) better.set(statement, way);
      }
    }
    return better;
  };
  const saved = (better: ReadonlyMap<number, number>): number => {
    let sum = 0;
    for (const [statement, way] of better) sum += costOf(statement, current[statement]!) - costOf(statement, way);
    return sum;
  };

  const state: State = {
    add(index) {
      if (present[index] === 1) return;
      present[index] = 1;
      bytes += sizeBytes[index]!;
      const better = improvements([index]);
      total += upkeep[index]! - saved(better);
      for (const [statement, way] of better) current[statement] = way;
    },
    remove(index) {
      if (present[index] === 0) return;
      total += loss(index);
      for (const [statement, ways] of accesses.entries()) {
        if (ways[current[statement]!]!.uses.includes(index)) current[statement] = wayWithout(statement, index);
      }
      present[index] = 0;
      bytes -= sizeBytes[index]!;
    },
    restore(indexes) {
      const wanted = new Set(indexes);
      for (let index = 0; index < count; index += 1) if (present[index] === 1 && !wanted.has(index)) state.remove(index);
      for (const index of indexes) state.add(index);
    },
    shrink(budgetBytes, keep) {
      const out: number[] = [];
      for (;;) {
        let worst = -1;
        let lowest = Infinity;
        for (let index = 0; index < count; index += 1) {
          if (present[index] === 0 || keep.has(index)) continue;
          const lost = loss(index);
          if (lost > 0 && bytes <= budgetBytes) continue;
          const rate = lost / Math.max(1, sizeBytes[index]!);
          if (rate < lowest) [worst, lowest] = [index, rate];
        }
        if (worst === -1) return out;
        state.remove(worst);
        out.push(worst);
      }
    },
    *openings() {
      const seen = new Set<string>();
      for (const [statement, ways] of accesses.entries()) {
        for (let way = 0; way < current[statement]!; way += 1) {
          const members = ways[way]!.uses.filter((index) => present[index] === 0);
          const key = members.join();
          if (members.length > 0 && !seen.has(key)) {
            seen.add(key);
            yield members;
          }
        }
      }
    },
    gain(members) {
      for (const index of members) present[index] = 1;
      const sum = saved(improvements(members)) - members.reduce((bill, index) => bill + upkeep[index]!, 0);
      for (const index of members) present[index] = 0;
      return sum;
    },
    total: () => total,
    sizeBytes: () => bytes,
    choice: () => ({ indexes: [...present.keys()].filter((index) => present[index] === 1), total, sizeBytes: bytes }),
  };
  return state;
}

/** By rising cost, without ways that need more than another one and cost no less. */
function undominated(ways: readonly Access[]): readonly Access[] {
  const kept: Access[] = [];
  for (const way of [...ways].sort((a, b) => a.cost - b.cost || a.uses.length - b.uses.length)) {
    const needs = new Set(way.uses);
    if (!kept.some(({ uses }) => uses.every((index) => needs.has(index)))) kept.push(way);
  }
  return kept;
}
