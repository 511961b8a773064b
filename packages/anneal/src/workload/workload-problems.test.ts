import { expect, test } from 'vitest';
import { aScenario, aWorkload } from './fixtures/workloads.ts';
import { validateWorkload } from './workload-problems.ts';

test('a workload that uses everything has no problems', () => {
  const workload = aWorkload({
    executor: { type: 'ramping-vus', startVus: 0, stages: [{ targetVus: 5, durationMs: 1000 }] },
    variables: {
      id: { type: 'integer', min: 1, max: 10, distribution: 'zipf' },
      tag: { type: 'one-of', values: ['a', 1] },
      words: { type: 'text', words: 3 },
      email: { type: 'sequence', template: 'u{n}@example.org' },
    },
    scenarios: [
      aScenario(
        { method: 'POST', path: '/posts', body: { tag: '{tag}', text: '{words} by {email}' }, capture: { post: '$.id' }, thinkTimeMs: 10 },
        { method: 'GET', path: '/posts/{post}?from={id}', name: 'read', checks: [{ type: 'json-exists', path: '$.items[0].id' }] },
      ),
    ],
    login: { sessions: 2, request: { method: 'POST', path: '/login', body: { email: '{email}' } }, token: '$.token' },
    thresholds: { http_req_duration: ['p(95)<500'], 'http_reqs{name:read}': ['count>0'] },
  });
  expect(validateWorkload(workload)).toEqual([]);
});

test('all problems are told together, each with its place', () => {
  const workload = aWorkload({
    seed: 1.5,
    executor: { type: 'constant-arrival-rate', ratePerSecond: 0 },
    variables: {
      id: { type: 'integer', min: 5, max: 1 },
      'no name': { type: 'one-of', values: [] },
      words: { type: 'text', words: 0 },
      email: { type: 'sequence', template: 'same@example.org' },
    },
    scenarios: [
      { name: 'twice', weight: -1, steps: [] },
      {
        name: 'twice',
        weight: 0,
        steps: [
          { method: 'GET', path: 'posts/{post}', capture: { post: 'id' }, authenticated: true },
          {
            method: 'GET',
            path: '/ä',
            checks: [
              { type: 'status', in: [] },
              { type: 'json-exists', path: 'x' },
            ],
            thinkTimeMs: -1,
          },
        ],
      },
    ],
    thresholds: { http_req_failed: ['rate below 1'] },
  });
  expect(validateWorkload(workload)).toEqual([
    'seed: 1.5 is not a whole number',
    'executor constant-arrival-rate: ratePerSecond 0 is not above 0',
    'scenarios: none has a weight above 0',
    'scenario twice: weight -1 is not 0 or more',
    'scenario twice: it has no steps',
    'scenario twice, step GET posts/{post}: the path does not begin with /',
    'scenario twice, step GET posts/{post}: {post} is neither a variable nor captured by an earlier step',
    'scenario twice, step GET posts/{post}: capture post: id is not a JSON path such as $.items[0].id',
    'scenario twice, step GET posts/{post}: authenticated, but the workload has no login',
    'scenario twice, step GET /ä: the path holds characters a URL must encode',
    'scenario twice, step GET /ä: check status: no status is allowed',
    'scenario twice, step GET /ä: check json-exists: x is not a JSON path such as $.items[0].id',
    'scenario twice, step GET /ä: thinkTimeMs -1 is not 0 or more',
    'scenario twice: two scenarios have this name',
    'variable id: min 5 and max 1 are not whole numbers in order',
    'variable no name: a name is letters, digits and _',
    'variable no name: it has no values',
    'variable words: words 0 is not above 0',
    'variable email: the template has no {n}, so its values repeat',
    'threshold http_req_failed: "rate below 1" is not of the form p(95)<500',
  ]);
});

test.each([
  [{ type: 'constant-vus', vus: 0 }, 'vus 0 is not a whole number above 0'],
  [{ type: 'ramping-arrival-rate', startRatePerSecond: 5, stages: [] }, 'it has no stages'],
  [
    { type: 'ramping-arrival-rate', startRatePerSecond: 0, stages: [{ targetRatePerSecond: 0, durationMs: 5 }] },
    'no stage has a rate above 0',
  ],
  [{ type: 'ramping-vus', startVus: 1, stages: [{ targetVus: 2.5, durationMs: 5 }] }, '2.5 virtual users is not a whole number'],
  [{ type: 'ramping-vus', startVus: 1, stages: [{ targetVus: 2, durationMs: 0 }] }, 'its stages take no time'],
] as const)('an executor that cannot run says so: %o', (executor, problem) => {
  const workload = aWorkload({ executor, scenarios: [aScenario({ method: 'GET', path: '/' })] });
  expect(validateWorkload(workload)).toEqual([`executor ${executor.type}: ${problem}`]);
});

test('a login is checked like a step, and cannot need itself', () => {
  const login = { sessions: 0, request: { method: 'POST', path: '/login/{who}', authenticated: true }, token: 'token' } as const;
  expect(validateWorkload(aWorkload({ login, scenarios: [aScenario({ method: 'GET', path: '/' })] }))).toEqual([
    'login: sessions 0 is not a whole number above 0',
    'login: token: token is not a JSON path such as $.token',
    'login: the login request cannot be authenticated itself',
    'login: {who} is neither a variable nor captured by an earlier step',
  ]);
});
