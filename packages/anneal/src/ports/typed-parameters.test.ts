import { expect, test } from 'vitest';
import { withTypedParameters } from './typed-parameters.ts';

test('a type in front of a parameter becomes a cast', () => {
  expect(withTypedParameters('SELECT now() - interval $1')).toBe('SELECT now() - CAST($1 AS interval)');
  expect(withTypedParameters('WHERE at >= DATE $2 AND at < timestamp with time zone $3')).toBe(
    'WHERE at >= CAST($2 AS DATE) AND at < CAST($3 AS timestamp with time zone)',
  );
});

test('what only looks alike stays as it is', () => {
  for (const text of ['SELECT $1::interval', 'WHERE a.date = $1', 'at AT TIME ZONE $1', 'INSERT INTO t (date) VALUES ($1)', 'LIMIT $2'])
    expect(withTypedParameters(text)).toBe(text);
});
