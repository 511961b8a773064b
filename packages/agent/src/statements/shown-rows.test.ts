import { expect, test } from 'vitest';
import type { OpenRequest } from '../requests/request.ts';
import { compareWithAnswer, type ShownRows } from './shown-rows.ts';

/** Of one call's rows; `columns` where they are arrays. */
function shownOf(received: readonly unknown[], columns: readonly string[] | null, answer: unknown): ShownRows | null {
  const call = { received, columns, values: [], shown: null as ShownRows | null };
  compareWithAnswer({ calls: [call] } as unknown as OpenRequest, JSON.stringify(answer));
  return call.shown;
}

const answer = {
  shelf: [
    { ref: 7001, label: 'first' },
    { ref: 7002, label: 'second' },
  ],
};

test('rows as arrays are compared by place and told by name, as rows as objects are', () => {
  const objects = [
    { id: 7001, title: 'first', body: 'long text' },
    { id: 7002, title: 'second', body: 'longer text' },
  ];
  const asObjects = shownOf(objects, null, answer);
  expect(asObjects!.columns.map(({ name, isShown }) => [name, isShown])).toEqual([
    ['id', true],
    ['title', true],
    ['body', false],
  ]);
  expect(shownOf(objects.map(Object.values), Object.keys(objects[0]!), answer)).toEqual(asObjects);
});

test('nothing is said of arrays whose columns have no names, or one name for two', () => {
  const rows = [
    [7001, 'first', 1],
    [7002, 'second', 2],
  ];
  expect(shownOf(rows, null, answer)).toBeNull();
  expect(shownOf(rows, ['id', 'title', 'id'], answer)).toBeNull();
  expect(shownOf(rows, ['id', 'title', 'place'], answer)).not.toBeNull();
});
