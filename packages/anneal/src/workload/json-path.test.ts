import { expect, test } from 'vitest';
import { parseJsonPath, readJsonPath } from './json-path.ts';

const answer = { id: 7, items: [{ id: 'a' }, { 'content-type': null }] };

test.each([
  ['$', answer],
  ['$.id', 7],
  ['$.items[0].id', 'a'],
  ['$.items[1].content-type', null],
  ['$.items[1]["content-type"]', null],
  ['$.items[2].id', undefined],
  ['$.id.length', undefined],
  ['$.constructor', undefined],
])('%s names one place', (path, value) => {
  expect(readJsonPath(answer, parseJsonPath(path)!)).toEqual(value);
});

test.each(['id', '$.', '$.items[*]', '$..id', '$.items[-1]', '$.items[0'])('%s is not a path to one place', (text) => {
  expect(parseJsonPath(text)).toBeNull();
});
