import { expect, test } from 'vitest';
import { aMeasurement } from '../finding/fixtures/observations.ts';
import type { MetricId } from '../prediction/prediction.ts';
import { guardsOf } from './guards.ts';
import type { TriedChange } from './planned-change.ts';

const touched = { statementIds: ['1'], routes: ['GET /stock'], writtenTables: [] };

function guardsFor(change: Partial<TriedChange>, noisy: readonly MetricId[] = []): readonly string[] {
  const noise = noisy.map((metric) => ({
    metric,
    rounds: 9,
    standardDeviation: 0.3,
    robustDeviation: 0.3,
    effectiveDeviation: 0.3,
    bias: { point: 0, lower: -0.1, upper: 0.1, confidenceLevel: 0.95 },
  }));
  const tried = { id: 'one', findings: [], remedy: { id: 'a/remedy' }, scope: 'database', plan: {}, prediction: null, touched, ...change };
  return guardsOf(
    tried as unknown as TriedChange,
    {
      calibration: { noise, floor: { rounds: [], metrics: [], masks: [] } },
      design: { looks: [9, 24], nominalLevel: 0.05 },
      measurement: aMeasurement({}),
      writeVolumeMargin: 0.1,
    },
    undefined,
  ).map(({ metric, margin }) => `${metric} ${margin.toFixed(3)}`);
}

test('what users feel must not get worse than a budget absorbs', () => {
  expect(guardsFor({ metric: 'database.time:feed' })).toEqual([
    'cpu.time 0.050',
    'latency.p95 0.050',
    'latency.p99 0.050',
    'errors 0.005',
    'memory 0.050',
  ]);
});

test('nor than the machine can tell from no change', () => {
  const margins = guardsFor({ metric: 'database.time:feed' }, ['latency.p99']);
  expect(margins.filter((guard) => !guard.endsWith(' 0.050'))).toEqual([expect.stringMatching(/^latency\.p99 0\.[45]/), 'errors 0.005']);
});

test('what is judged by a part must not make the whole worse', () => {
  expect(guardsFor({ metric: 'connect.time:GET /stock' }).at(-1)).toBe('route.time:GET /stock 0.050');
  expect(guardsFor({ metric: 'wal.bytes:stock' }).at(-1)).toBe('database.time:stock 0.050');
  expect(guardsFor({ metric: 'route.time:GET /stock' }).at(-1)).toBe('memory 0.050');
});
