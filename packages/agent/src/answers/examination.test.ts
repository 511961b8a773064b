import { expect, test } from 'vitest';
import { Examination } from './examination.ts';

/** How many of so many requests a second are taken over ten seconds. */
function takenOf(requestsPerSecond: number): number {
  const examination = new Examination();
  let taken = 0;
  for (let request = 0; request < 10 * requestsPerSecond; request += 1) {
    if (examination.takesNext((request * 1000) / requestsPerSecond)) taken += 1;
  }
  return taken;
}

test('in light traffic every answer is looked at', () => {
  expect(takenOf(20)).toBe(200);
});

test('however much there is, about twenty a second are', () => {
  for (const requestsPerSecond of [400, 4_000]) {
    const taken = takenOf(requestsPerSecond);
    // The first tick, before anything is known, is taken whole; the rest is a draw of 200 with a deviation of 14.
    expect(taken - requestsPerSecond / 10).toBeGreaterThan(130);
    expect(taken - requestsPerSecond / 10).toBeLessThan(270);
  }
});

test('no more than a megabyte is read ten stacks are taken and ten answers compared in one second', () => {
  const examination = new Examination();
  const read = Array.from({ length: 10 }, () => examination.reads(300_000, 100)).filter(Boolean).length;
  expect(read).toBe(3);
  expect(examination.reads(100_000, 900)).toBe(true);
  expect(examination.reads(300_000, 1_000)).toBe(true);
  expect(Array.from({ length: 30 }, () => examination.locates(1_500)).filter(Boolean)).toHaveLength(10);
  expect(Array.from({ length: 30 }, () => examination.compares(1_500)).filter(Boolean)).toHaveLength(10);
  expect(examination.locates(2_000)).toBe(true);
  expect(examination.compares(2_000)).toBe(true);
});
