import { describe, expect, test } from 'vitest';
import { crossingChance, nominalLevelOf } from './group-sequential.ts';

describe('looking more than once', () => {
  test.each([
    [1, 0.05],
    [2, 0.0294],
    [3, 0.0221],
    [4, 0.0182],
    [5, 0.0158],
    [6, 0.0142],
  ])("%i evenly spaced looks at 5 %% overall: Pocock's table gives %d", (count, level) => {
    const looks = Array.from({ length: count }, (_, index) => 10 * (index + 1));
    expect(nominalLevelOf(looks, 0.05)).toBeCloseTo(level, 4);
  });

  test('one look that is no news costs almost nothing, and a far one costs a full look', () => {
    expect(nominalLevelOf([1000, 1001], 0.05)).toBeGreaterThan(nominalLevelOf([10, 1000], 0.05));
  });

  test('peeking after each of twenty rounds at 5 % is wrong about one time in four', () => {
    const everyRound = Array.from({ length: 20 }, (_, index) => index + 1);
    // Armitage, McPherson and Rowe 1969, table 2: 0.248 for twenty looks.
    expect(crossingChance(everyRound, 1.959963984540054)).toBeCloseTo(0.248, 3);
  });
});
