import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../../../test/support/seeded-properties.ts';
import { seededRandom } from '../../../stats/random.ts';
import { chooseSet } from './choose-set.ts';
import type { Access, Selection } from './selection-state.ts';

const candidates = 8;

/** Small enough to look at every subset. */
const selections: fc.Arbitrary<Selection> = fc.record({
  weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
  accesses: fc.array(
    fc
      .array(
        fc.record({
          cost: fc.integer({ min: 1, max: 99 }),
          uses: fc.uniqueArray(fc.integer({ min: 0, max: candidates - 1 }), { minLength: 1, maxLength: 3 }),
        }),
        { maxLength: 6 },
      )
      .map((ways): readonly Access[] => [...ways, { cost: 100, uses: [] }]),
    { minLength: 3, maxLength: 3 },
  ),
  sizeBytes: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: candidates, maxLength: candidates }),
  upkeep: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: candidates, maxLength: candidates }),
  budgetBytes: fc.integer({ min: 0, max: 60 }),
});

function totalOf({ weights, accesses, upkeep }: Selection, set: readonly number[]): number {
  const reads = accesses.reduce((sum, ways, at) => {
    const open = ways.filter(({ uses }) => uses.every((index) => set.includes(index)));
    return sum + weights[at]! * Math.min(...open.map(({ cost }) => cost));
  }, 0);
  return set.reduce((sum, index) => sum + upkeep[index]!, reads);
}

function bytesOf({ sizeBytes }: Selection, set: readonly number[]): number {
  return set.reduce((sum, index) => sum + sizeBytes[index]!, 0);
}

/** By looking at all 256 subsets. */
function best(selection: Selection): number {
  const subsets = Array.from({ length: 2 ** candidates }, (_, bits) =>
    Array.from({ length: candidates }, (__, at) => at).filter((at) => (bits >> at) % 2 === 1),
  );
  const fitting = subsets.filter((set) => bytesOf(selection, set) <= selection.budgetBytes);
  return Math.min(...fitting.map((set) => totalOf(selection, set)));
}

describe('the set chosen from what is known', () => {
  test('fits the budget, costs what it says, and is never dearer than no index at all', () => {
    fc.assert(
      fc.property(selections, fc.integer({ min: 0, max: 99 }), (selection, seed) => {
        const start = seededRandom(seed)
          .shuffle(selection.sizeBytes.map((_, at) => at))
          .slice(0, seed % candidates);
        const { indexes, total, sizeBytes } = chooseSet(selection, start, seededRandom(seed), 3);
        expect(sizeBytes).toBe(bytesOf(selection, indexes));
        expect(sizeBytes).toBeLessThanOrEqual(selection.budgetBytes);
        expect(total).toBeCloseTo(totalOf(selection, indexes), 6);
        expect(total).toBeLessThanOrEqual(totalOf(selection, []) + 1e-6);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('is the best of all subsets in at least 97 of 100 random problems, and within a tenth of it in all', () => {
    const gaps = fc.sample(selections, { seed: 7, numRuns: 400 }).map((selection) => {
      const { total } = chooseSet(selection, [], seededRandom(1), 12);
      return total / best(selection) - 1;
    });
    expect(gaps.filter((gap) => gap < 1e-9).length / gaps.length).toBeGreaterThanOrEqual(0.97);
    expect(Math.max(...gaps)).toBeLessThan(0.1);
  });

  test('takes two indexes that pay only together, and leaves what its upkeep eats', () => {
    const selection: Selection = {
      weights: [1, 1],
      accesses: [
        [
          { cost: 10, uses: [0, 1] },
          { cost: 100, uses: [] },
        ],
        [
          { cost: 10, uses: [2] },
          { cost: 100, uses: [] },
        ],
      ],
      sizeBytes: [5, 5, 5],
      upkeep: [1, 1, 95],
      budgetBytes: 100,
    };
    expect(chooseSet(selection, [], seededRandom(1), 0).indexes).toEqual([0, 1]);
    expect(chooseSet({ ...selection, upkeep: [50, 50, 1] }, [], seededRandom(1), 0).indexes).toEqual([2]);
    expect(chooseSet(selection, [0, 1], seededRandom(1), 3, new Set([1])).indexes).toEqual([]);
  });
});
