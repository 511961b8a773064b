import { expect, test } from 'vitest';
import type { Estimate } from '../stats/estimate.ts';
import { scoreTrials, summariseCalibration, type PredictedTrial } from './calibration.ts';
import type { MetricId } from './prediction.ts';

const estimate = (point: number, lower = point, upper = point): Estimate => ({ point, lower, upper, confidenceLevel: 0.95 });
const trial = (metric: MetricId, predicted: Estimate, measured: Estimate, guards: PredictedTrial['guards'] = []): PredictedTrial => ({
  remedyId: 'api/resize-pool',
  finding: { subject: { kind: 'pool', key: 'main', pool: 'main' } },
  prediction: { metric, change: predicted, model: 'queueing', assumptions: [] },
  primary: { metric: 'pool.wait', change: measured },
  guards,
});

test('a prediction is held against the metric it named, be it primary or guard', () => {
  const entries = scoreTrials([
    trial('pool.wait', estimate(-0.8, -0.95, -0.6), estimate(-0.7, -0.75, -0.65)),
    trial('cpu.time', estimate(-0.1, -0.12, -0.08), estimate(-0.9), [{ metric: 'cpu.time', change: estimate(0.02) }]),
  ]);
  expect(entries.map(({ metric, inside, measured }) => [metric, inside, measured.point])).toEqual([
    ['pool.wait', true, -0.7],
    ['cpu.time', false, 0.02],
  ]);
  expect(entries[0]!.subject).toBe('pool main');
});

test('a trial that did not measure what was foretold scores nothing', () => {
  expect(scoreTrials([trial('latency.p99', estimate(-0.5), estimate(-0.5))])).toEqual([]);
  expect(summariseCalibration([])).toBeNull();
});

test('the summary is the share inside and the median error of what was left', () => {
  const entries = scoreTrials([
    trial('pool.wait', estimate(-0.5, -0.6, -0.4), estimate(-0.5)),
    trial('pool.wait', estimate(-0.5, -0.6, -0.4), estimate(-0.75)),
    trial('pool.wait', estimate(-1, -1, -0.9), estimate(-0.99)),
  ]);
  const summary = summariseCalibration(entries)!;
  expect(summary.predictions).toBe(3);
  expect(summary.insideShare).toBeCloseTo(2 / 3);
  // 0, ln 2, and ln 10: "all gone" counts as a thousandth left.
  expect(summary.medianAbsoluteLogError).toBeCloseTo(Math.LN2);
});
