import { expect, test } from 'vitest';
import { problemWith, readPolicies, stands } from './forms.ts';
import { policyKinds } from './index.ts';

const shedding = { kind: 'shed-load', maxConcurrent: 8, maxWaiting: 16, targetDelayMs: 50, intervalMs: 500, retryAfterSeconds: 1 };
const breaking = { kind: 'break-circuit', peer: 'a:1', failureShare: 0.5, minCalls: 5, windowMs: 1_000, openMs: 1_000, probes: 1 };

/** Of a file that cannot be meant. */
function misread(value: unknown) {
  const read = readPolicies(value);
  if (!('problem' in read)) throw new Error(`it was read as ${JSON.stringify(read)}`);
  return read;
}

test('a policy may leave out what has a default, and comes back whole', () => {
  expect(readPolicies(shedding)).toEqual([{ ...shedding, exempt: [] }]);
  expect(readPolicies({ policies: [shedding, breaking] })).toEqual([
    { ...shedding, exempt: [] },
    { ...breaking, fallback: null },
  ]);
  expect(readPolicies({ kind: 'compress-responses', routes: ['/a'] })).toEqual([{ kind: 'compress-responses', routes: ['/a'] }]);
});

test.each([
  [
    'a limit is missing',
    { kind: 'limit-pool-waiting', pool: 'a.js:3' },
    'limit-pool-waiting: maxWaiting is missing: a whole number from 0',
  ],
  ['a limit is misspelt', { ...shedding, maxConcurrency: 8 }, 'shed-load: unknown field "maxConcurrency"'],
  ['a limit is absurd', { ...shedding, maxConcurrent: 0 }, 'shed-load: maxConcurrent must be a whole number from 1, not 0'],
  ['a limit is a text', { ...shedding, maxConcurrent: '8' }, 'shed-load: maxConcurrent must be a whole number from 1, not "8"'],
  ['limits contradict each other', { ...shedding, targetDelayMs: 900 }, 'shed-load: targetDelayMs (900) must be within intervalMs (500)'],
  [
    'a fallback cannot be sent',
    { ...breaking, fallback: { status: 204, headers: {}, body: '' } },
    'break-circuit: 204 is no status to answer with',
  ],
  [
    'a header has no name',
    { kind: 'limit-rate', name: 'a', per: [{ header: '' }], ratePerSecond: 1, burst: 1 },
    'limit-rate: per must be a list',
  ],
])('where %s the sentence says which field and the hint says what the kind takes', (_what, value, problem) => {
  const read = misread(value);
  expect(read.problem).toContain(problem);
  expect(read.wanted).toMatch(new RegExp(`^${value.kind} takes `));
});

test('an unknown kind is told the known ones, and one that nobody writes by hand is told so', () => {
  expect(misread({ kind: 'shed' })).toEqual({
    problem: 'there are no policies of kind "shed"',
    wanted: expect.stringContaining('shed-load, limit-rate') as string,
  });
  expect(misread({ kind: 'toString' }).problem).toContain('no policies of kind');
  expect(misread({ kind: 'cache-responses', routes: ['/a'] }).wanted).toContain('anneal optimize');
});

test.each([[null], [[]], ['shed-load'], [{}], [{ policies: [] }], [{ policies: [null] }], [{ policies: [shedding], version: 1 }]])(
  '%j is no file of policies',
  (value) => {
    expect(misread(value).problem).not.toBe('');
  },
);

test('every kind of policy has a form or is left to Anneal, and what needs Anneal does not stand alone', () => {
  const left = policyKinds.map(({ kind }) => kind).filter((kind) => !stands({ kind }));
  expect(left.toSorted()).toEqual(['batch-statements', 'cache-responses', 'cache-statements', 'pool-size']);
});

test('of a newer Anneal the agent takes fields it does not know, and no limit that is none', () => {
  expect(problemWith({ ...shedding, exempt: [], newer: 1 } as never)).toBeNull();
  expect(problemWith({ ...shedding, exempt: [], maxConcurrent: Number.NaN } as never)).toContain('maxConcurrent');
  expect(problemWith({ kind: 'newer' } as never)).toBeNull();
});
