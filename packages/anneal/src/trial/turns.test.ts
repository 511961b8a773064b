import { expect, test } from 'vitest';
import { hasTurn, type TimeForTrials } from './turns.ts';

const worthiest = (group: readonly number[]) => Math.min(...group);

/** The groups that are tried, by their places in what is worth most, when each trial takes 10 of the time that is given. */
function tried(groups: readonly (readonly number[])[], givenMs: number | null): readonly (readonly number[])[] {
  let usedMs = 0;
  let trialMs = 0;
  return groups.filter((group, index) => {
    const time: TimeForTrials | null = givenMs === null ? null : { leftMs: givenMs - usedMs, trialMs };
    if (!hasTurn(group, groups.slice(index + 1), worthiest, time)) return false;
    usedMs += 10;
    trialMs = 10;
    return true;
  });
}

test('without a limit everything is tried', () => {
  expect(tried([[1, 2], [3], [0]], null)).toEqual([[1, 2], [3], [0]]);
});

test('no trial begins after the time, and what is worth least has no turn', () => {
  expect(tried([[0], [1], [2]], 11)).toEqual([[0], [1]]);
  expect(tried([[0], [1], [2]], 0)).toEqual([]);
});

test('what is worth most keeps its turn although it comes last', () => {
  expect(tried([[1, 5], [2], [3], [0]], 21)).toEqual([[1, 5], [2], [0]]);
  // Worth less than those before it, it waits for what is left.
  expect(tried([[0, 5], [1], [2], [4]], 21)).toEqual([[0, 5], [1], [2]]);
});
