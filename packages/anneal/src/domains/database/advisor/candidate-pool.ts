import type { IndexDefinition } from '../../../ports/planner.ts';

/** An index that may be chosen, with what it takes. */
export interface Candidate {
  readonly definition: IndexDefinition;
  readonly sizeBytes: number;
  /** What keeping it up costs the workload's writes, in the unit of the workload's cost. */
  readonly upkeep: number;
}

/** Every index the search has met, by position; each definition once. */
export interface CandidatePool {
  /** Position of the definition, which is added when it is new. */
  position(definition: IndexDefinition): number;
  at(position: number): Candidate;
  size(): number;
}

export function openPool(takes: {
  readonly sizeOf: (definition: IndexDefinition) => number;
  readonly upkeepOf: (definition: IndexDefinition) => number;
}): CandidatePool {
  const candidates: Candidate[] = [];
  const positions = new Map<string, number>();
  return {
    position(definition) {
      const spelling = spellingOf(definition);
      const known = positions.get(spelling);
      if (known !== undefined) return known;
      candidates.push({ definition, sizeBytes: takes.sizeOf(definition), upkeep: takes.upkeepOf(definition) });
      positions.set(spelling, candidates.length - 1);
      return candidates.length - 1;
    },
    at: (position) => candidates[position]!,
    size: () => candidates.length,
  };
}

/** Equal for equal definitions; the order of payload columns means nothing. */
export function spellingOf({ schema, table, keys, method, include, predicate }: IndexDefinition): string {
  return JSON.stringify([schema, table, method, keys, [...include].sort(), predicate]);
}
