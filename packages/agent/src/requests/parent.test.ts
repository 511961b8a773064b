import { expect, test } from 'vitest';
import { parentOf, type EarlierResult } from './parent.ts';

const result = (statement: string, sequence: number, rows: readonly unknown[]): EarlierResult<string> => ({ statement, sequence, rows });
const posts = result('posts', 1, [
  { id: 11, author_id: 5 },
  { id: 12, author_id: 3 },
  { id: 13, author_id: 9 },
]);

test('a loop over rows is traced to the statement whose column it walks', () => {
  expect(parentOf([[5], [3], [9]], 2, [posts])).toBe('posts');
  expect(
    parentOf(
      [
        ['11', 'x'],
        ['12', 'x'],
        ['13', 'x'],
      ],
      2,
      [posts],
    ),
  ).toBe('posts');
});

test('rows in array mode have columns too', () => {
  expect(
    parentOf([[5], [3], [9]], 2, [
      result('posts', 1, [
        ['a', 5],
        ['b', 3],
        ['c', 9],
      ]),
    ]),
  ).toBe('posts');
});

test('a column in the order of the calls wins over a later one that only holds the values', () => {
  const shuffled = result('authors', 2, [{ id: 9 }, { id: 5 }, { id: 3 }]);
  expect(parentOf([[5], [3], [9]], 3, [posts, shuffled])).toBe('posts');
  expect(parentOf([[5], [3], [9]], 3, [shuffled])).toBe('authors');
});

test('results that came after the first call, values that are missing, and too few values name nobody', () => {
  expect(parentOf([[5], [3], [9]], 1, [posts])).toBeNull();
  expect(parentOf([[5], [3], [8]], 2, [posts])).toBeNull();
  expect(parentOf([[5], [3], [5]], 2, [posts])).toBeNull();
  expect(parentOf([], 2, [posts])).toBeNull();
});
