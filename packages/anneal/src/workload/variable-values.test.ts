import { expect, test } from 'vitest';
import { seededRandom } from '../stats/random.ts';
import { drawValue, zipfRank } from './variable-values.ts';

test('Zipf ranks occur in proportion to 1/rank', () => {
  const random = seededRandom(1);
  const draws = 100_000;
  const counts = new Map<number, number>();
  for (let draw = 0; draw < draws; draw += 1) {
    const rank = zipfRank(1000, random);
    counts.set(rank, (counts.get(rank) ?? 0) + 1);
  }
  const harmonic = Array.from({ length: 1000 }, (_, index) => 1 / (index + 1)).reduce((sum, share) => sum + share, 0);
  for (const rank of [1, 2, 3, 10, 100]) {
    const expected = draws / (rank * harmonic);
    // Five standard deviations of a count: fails by chance once in a million seeds, and this seed is fixed.
    expect(Math.abs((counts.get(rank) ?? 0) - expected)).toBeLessThan(5 * Math.sqrt(expected));
  }
  expect(Math.min(...counts.keys())).toBe(1);
  expect(Math.max(...counts.keys())).toBeLessThanOrEqual(1000);
});

test('integers reach both ends and nothing beyond', () => {
  const random = seededRandom(2);
  for (const distribution of ['uniform', 'zipf'] as const) {
    const values = Array.from({ length: 2000 }, () => drawValue({ type: 'integer', min: 5, max: 9, distribution }, random, 0));
    expect(new Set(values)).toEqual(new Set([5, 6, 7, 8, 9]));
  }
});

test('texts have the words asked for, choices come from the list, sequences show their number', () => {
  const random = seededRandom(3);
  expect(String(drawValue({ type: 'text', words: 12 }, random, 0)).split(' ')).toHaveLength(12);
  expect(['a', 2]).toContain(drawValue({ type: 'one-of', values: ['a', 2] }, random, 0));
  expect(drawValue({ type: 'sequence', template: 'user-{n}@example.org' }, random, 41)).toBe('user-41@example.org');
});
