import { expect, test } from 'vitest';
import { parameterKey, portableParameters } from './parameters.ts';

test('keys are equal exactly when the driver sends the same', () => {
  expect(parameterKey([5, 'a'])).toBe(parameterKey(['5', 'a']));
  expect(parameterKey([null])).toBe(parameterKey([undefined]));
  expect(parameterKey([new Date(7)])).toBe(parameterKey([new Date(7)]));
  expect(parameterKey([[1, 2]])).toBe(parameterKey([[1, 2]]));
  expect(parameterKey(['a', 'bc'])).not.toBe(parameterKey(['ab', 'c']));
  expect(parameterKey([null])).not.toBe(parameterKey(['null']));
  expect(parameterKey([[1, 2]])).not.toBe(parameterKey([[12]]));
});

test('what cannot be compared is never a duplicate', () => {
  const value = { a: 1 };
  expect(parameterKey([value])).not.toBe(parameterKey([value]));
});

test('a parameter set travels whole or not at all', () => {
  expect(portableParameters([1, 'a', null, undefined, 5n, new Date(0), Buffer.from('A'), [1, ['x']], { a: 1 }])).toEqual([
    1,
    'a',
    null,
    null,
    '5',
    '1970-01-01T00:00:00.000Z',
    '\\x41',
    [1, ['x']],
    '{"a":1}',
  ]);
  expect(portableParameters(['x'.repeat(5000), 1])).toBeNull();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  expect(portableParameters([circular])).toBeNull();
});
