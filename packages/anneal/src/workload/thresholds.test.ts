import { expect, test } from 'vitest';
import { aLoadResult, aStepResult, histogramOf } from './fixtures/load-results.ts';
import { evaluateThresholds, thresholdProblems } from './thresholds.ts';

const hundred = Array.from({ length: 100 }, (_, index) => (index + 1) * 1000);
const result = aLoadResult({
  durationMs: 2000,
  plannedIterations: 101,
  droppedIterations: 1,
  requests: 100,
  failedRequests: 2,
  checks: 200,
  failedChecks: 10,
  responseTimeUs: histogramOf(...hundred),
  steps: [
    aStepResult({ name: 'GET /posts', requests: 60, failedRequests: 0, responseTimeUs: histogramOf(5000, 7000) }),
    aStepResult({ name: 'POST /login' }),
  ],
});

test.each([
  ['http_req_duration', 'avg<51', 50.5, true],
  ['http_req_duration', 'min>=1', 1, true],
  ['http_req_duration', 'max<100', 100, false],
  ['http_req_duration{name:GET /posts}', 'max<=7', 7, true],
  ['http_req_failed', 'rate<0.01', 0.02, false],
  ['http_req_failed{name:GET /posts}', 'rate==0', 0, true],
  ['http_reqs', 'count>99', 100, true],
  ['http_reqs', 'rate > 60', 50, false],
  ['dropped_iterations', 'count<1', 1, false],
  ['checks', 'rate>0.95', 0.95, false],
])('%s: %s sees %d', (metric, expression, value, holds) => {
  expect(evaluateThresholds({ [metric]: [expression] }, result)).toEqual([{ metric, expression, value, holds, reason: null }]);
});

test('percentiles come from the histogram, within its precision', () => {
  const [p95, median] = evaluateThresholds({ http_req_duration: ['p(95)<97', 'med<45'] }, result);
  expect(Math.abs(p95!.value! - 95)).toBeLessThan(1.5);
  expect(p95!.holds).toBe(true);
  expect(Math.abs(median!.value! - 50)).toBeLessThan(1);
  expect(median!.holds).toBe(false);
});

test.each([
  ['http_req_duration', 'p(95)<500'],
  ['http_req_failed', 'rate<0.01'],
  ['checks', 'rate>=0'],
  ['http_reqs', 'count<5'],
])('%s without a single request fails and says why', (metric, expression) => {
  const outcome = evaluateThresholds({ [metric]: [expression] }, aLoadResult({}));
  expect(outcome).toEqual([{ metric, expression, value: null, holds: false, reason: 'the metric has no samples' }]);
});

test('a step that was never sent fails its own threshold, whatever the others did', () => {
  const [outcome] = evaluateThresholds({ 'http_req_duration{name:POST /login}': ['p(95)<500'] }, result);
  expect(outcome).toMatchObject({ holds: false, reason: 'the metric has no samples' });
});

test('every mistake is told at once', () => {
  const thresholds = {
    http_req_duration: ['p(95)<500', 'p95<500', 'p(101)<5', 'rate<0.1'],
    http_request_duration: ['avg<5'],
    'http_req_duration{name:GET /nowhere}': ['avg<5'],
    'checks{name:GET /posts}': ['rate>0.9'],
  };
  expect(thresholdProblems(thresholds, ['GET /posts'])).toEqual([
    'threshold http_req_duration: "p95<500" is not of the form p(95)<500',
    'threshold http_req_duration: "p(101)<5" is not of the form p(95)<500',
    'threshold http_req_duration: http_req_duration has no rate, only avg, min, med, max, p(N)',
    expect.stringContaining('threshold http_request_duration: unknown metric'),
    'threshold http_req_duration{name:GET /nowhere}: no step is named "GET /nowhere"',
    'threshold checks{name:GET /posts}: checks is not told per step',
  ]);
});
