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

/** A set that changes one index at a time, with its total kept up to date. */
export interface SelectionState {
  add(indexes: Iterable<number>): void;
  remove(indexes: Iterable<number>): void;
  restore(indexes: readonly number[]): void;
  /** Removes what costs least per byte until the rest fits, and if it is to be tidy whatever does not earn its upkeep; returns what went. */
  shrink(budgetBytes: number, keep: readonly number[], isTidy: boolean): readonly number[];
  /** Of those with at least so many bytes the one that costs least to lose. */
  cheapest(leastBytes: number, keep: readonly number[]): { readonly index: number; readonly lost: number } | null;
  /** Sets of absent indexes that would open a cheaper way for some statement. */
  openings(): readonly (readonly number[])[];
  /** What the total falls by when all of `members` are added. */
  gain(members: readonly number[]): number;
  total(): number;
  sizeBytes(): number;
  choice(): Choice;
}

export function openState(selection: Selection): SelectionState {
  const { weights, sizeBytes, upkeep } = selection;
  const accesses = selection.accesses.map(undominated);
  // Most indexes are needed by no way worth taking; the others are numbered anew, so that a set is a few machine words.
  const names = [...new Set(accesses.flatMap((ways) => ways.flatMap(({ uses }) => uses)))].sort((a, b) => a - b);
  const numberOf = new Map(names.map((index, at) => [index, at]));
  const words = Math.ceil(names.length / 32);
  const present = new Uint32Array(words);
  const ways = accesses.map((each, statement) =>
    each.map(({ cost, uses }) => {
      const members = uses.map((index) => numberOf.get(index)!);
      const mask = new Uint32Array(words);
      for (const at of members) mask[at >>> 5]! |= 1 << (at & 31);
      return { cost: cost * weights[statement]!, members, mask };
    }),
  );
  /** By statement: the way in use. The last way needs nothing. */
  const current = Int32Array.from(ways, (each) => each.length - 1);
  /** By index: the ways that need it. */
  const needing = names.map((_, at) =>
    ways.flatMap((each, statement) => each.flatMap(({ members }, way) => (members.includes(at) ? [{ statement, way }] : []))),
  );
  const isPresent = (at: number) => (present[at >>> 5]! & (1 << (at & 31))) !== 0;
  const flip = (at: number) => {
    present[at >>> 5]! ^= 1 << (at & 31);
  };
  const isOpen = (mask: Uint32Array): boolean => {
    for (let word = 0; word < words; word += 1) if ((mask[word]! & ~present[word]!) !== 0) return false;
    return true;
  };
  let total = ways.reduce((sum, each) => sum + each.at(-1)!.cost, 0);
  let bytes = 0;

  /** The cheapest open way at or after `from`. */
  const openFrom = (statement: number, from: number): number => {
    let way = from;
    while (!isOpen(ways[statement]![way]!.mask)) way += 1;
    return way;
  };
  /** By index: what the total rises by when it goes; brought up to date only for statements that a change has touched. */
  const lost = Float64Array.from(names, (index) => -upkeep[index]!);
  const parts: { readonly members: readonly number[]; readonly amounts: readonly number[] }[] = ways.map(() => ({
    members: [],
    amounts: [],
  }));
  const touched = names.map((_, at) => [...new Set(needing[at]!.map(({ statement }) => statement))]);
  const stale = new Set<number>();
  const losses = (): Float64Array => {
    for (const statement of stale) {
      const before = parts[statement]!;
      for (const [position, at] of before.members.entries()) lost[at]! -= before.amounts[position]!;
      const way = current[statement]!;
      const { cost, members } = ways[statement]![way]!;
      const amounts = members.map((at) => {
        flip(at);
        const without = ways[statement]![openFrom(statement, way)]!.cost - cost;
        flip(at);
        lost[at]! += without;
        return without;
      });
      parts[statement] = { members, amounts };
    }
    stale.clear();
    return lost;
  };
  const change = (at: number) => {
    flip(at);
    for (const statement of touched[at]!) stale.add(statement);
  };
  /** Statements that get a cheaper way now that `added` are present, and which. */
  const improvements = (added: readonly number[]): ReadonlyMap<number, number> => {
    const better = new Map<number, number>();
    for (const at of added) {
      for (const { statement, way } of needing[at]!) {
        if (way < (better.get(statement) ?? current[statement]!) && isOpen(ways[statement]![way]!.mask)) better.set(statement, way);
      }
    }
    return better;
  };
  const saved = (better: ReadonlyMap<number, number>): number => {
    let sum = 0;
    for (const [statement, way] of better) sum += ways[statement]![current[statement]!]!.cost - ways[statement]![way]!.cost;
    return sum;
  };
  const add = (at: number): void => {
    if (isPresent(at)) return;
    change(at);
    bytes += sizeBytes[names[at]!]!;
    const better = improvements([at]);
    total += upkeep[names[at]!]! - saved(better);
    for (const [statement, way] of better) current[statement] = way;
  };
  const remove = (at: number): void => {
    if (!isPresent(at)) return;
    change(at);
    bytes -= sizeBytes[names[at]!]!;
    total -= upkeep[names[at]!]!;
    for (const statement of touched[at]!) {
      const way = current[statement]!;
      if (!ways[statement]![way]!.members.includes(at)) continue;
      const next = openFrom(statement, way);
      current[statement] = next;
      total += ways[statement]![next]!.cost - ways[statement]![way]!.cost;
    }
  };
  const positions = (indexes: Iterable<number>) => [...indexes].flatMap((index) => numberOf.get(index) ?? []);

  return {
    add: (indexes) => positions(indexes).forEach(add),
    remove: (indexes) => positions(indexes).forEach(remove),
    restore(indexes) {
      const wanted = new Set(positions(indexes));
      for (const at of names.keys()) if (!wanted.has(at)) remove(at);
      wanted.forEach(add);
    },
    shrink(budgetBytes, keep, isTidy) {
      const kept = new Set(positions(keep));
      const out: number[] = [];
      for (;;) {
        if (!isTidy && bytes <= budgetBytes) return out;
        const now = losses();
        // Sums that come and go leave a rest that is no loss.
        const nothing = Math.abs(total) * 1e-12;
        let worst = -1;
        let lowest = Infinity;
        for (const at of names.keys()) {
          if (!isPresent(at) || kept.has(at) || (now[at]! > nothing && bytes <= budgetBytes)) continue;
          const rate = now[at]! / Math.max(1, sizeBytes[names[at]!]!);
          if (rate < lowest) [worst, lowest] = [at, rate];
        }
        if (worst === -1) return out;
        remove(worst);
        out.push(names[worst]!);
      }
    },
    cheapest(leastBytes, keep) {
      const kept = new Set(positions(keep));
      const now = losses();
      let best: { readonly index: number; readonly lost: number } | null = null;
      for (const [at, index] of names.entries()) {
        if (!isPresent(at) || kept.has(at) || sizeBytes[index]! < leastBytes) continue;
        if (best === null || now[at]! < best.lost) best = { index, lost: now[at]! };
      }
      return best;
    },
    openings() {
      const found = new Map<string, readonly number[]>();
      for (const [statement, each] of ways.entries()) {
        for (let way = 0; way < current[statement]!; way += 1) {
          const members = each[way]!.members.filter((at) => !isPresent(at));
          found.set(members.join(), members);
        }
      }
      return [...found.values()].map((members) => members.map((at) => names[at]!));
    },
    gain(indexes) {
      const added = positions(indexes);
      added.forEach(flip);
      const sum = saved(improvements(added)) - added.reduce((bill, at) => bill + upkeep[names[at]!]!, 0);
      added.forEach(flip);
      return sum;
    },
    total: () => total,
    sizeBytes: () => bytes,
    choice: () => ({ indexes: names.filter((_, at) => isPresent(at)), total, sizeBytes: bytes }),
  };
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
