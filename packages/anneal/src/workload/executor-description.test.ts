import { expect, test } from 'vitest';
import { describeExecutor } from './executor-description.ts';

test('a description says how much and which model', () => {
  expect(describeExecutor({ type: 'constant-arrival-rate', ratePerSecond: 200, arrivals: 'poisson' })).toBe(
    '200 iterations/s, Poisson arrivals (open model: latency from the moment a request was due)',
  );
  const stages = [
    { targetVus: 20, durationMs: 5000 },
    { targetVus: 0, durationMs: 2500 },
  ];
  expect(describeExecutor({ type: 'ramping-vus', startVus: 1, stages })).toBe(
    '1 → 20 → 0 virtual users over 7.5 s (closed model: latency from the send, a slow target gets less load)',
  );
});
