import { expect, test } from 'vitest';
import {
  bytes,
  change,
  counted,
  duration,
  evidenceValue,
  interval,
  level,
  metricName,
  metricValue,
  moment,
  plain,
  quantity,
  share,
} from './format.ts';

test('a duration has the unit a person would choose', () => {
  expect([0.24, 0, 1, 93.27, 999, 1_500, 59_999, 60_000, 93_000, 1_284_000, 7_500_000].map(duration)).toEqual([
    '240 µs',
    '0 ms',
    '1 ms',
    '93.3 ms',
    '999 ms',
    '1.5 s',
    '60 s',
    '1 min',
    '1 min 33 s',
    '21 min 24 s',
    '2 h 5 min',
  ]);
});

test('bytes and counts keep three digits and separate thousands', () => {
  expect([0, 512, 4_210, 71_303_168, 33_554_432_000, -2_048].map(bytes)).toEqual([
    '0 B',
    '512 B',
    '4.21 kB',
    '71.3 MB',
    '33.6 GB',
    '−2.05 kB',
  ]);
  expect([0, 4_310, 498_200, 0.3333].map(quantity)).toEqual(['0', '4,310', '498,200', '0.333']);
  expect([counted(1, 'finding'), counted(1_200, 'finding'), counted(0, 'reply', 'replies')]).toEqual([
    '1 finding',
    '1,200 findings',
    '0 replies',
  ]);
});

test('a change carries its sign and is never rounded to nothing or to everything', () => {
  expect([-0.62, 0.031, 0, -0.005, 0.00012, -0.9996, -1, 0.104, -0.996].map(change)).toEqual([
    '−62 %',
    '+3.1 %',
    '±0 %',
    '−0.5 %',
    '+0.01 %',
    '−99.9 %',
    '−100 %',
    '+10 %',
    '−99.6 %',
  ]);
  expect([0.412, 0.061, 0, 1].map(share)).toEqual(['41 %', '6.1 %', '0 %', '100 %']);
});

test('an interval stands with its level, and errors are told in percentage points', () => {
  const estimate = { point: -0.62, lower: -0.66, upper: -0.57, confidenceLevel: 0.95 };
  expect(interval(estimate)).toBe('−62 % (−66 … −57 %, 95 %)');
  expect(interval({ ...estimate, point: 0.01, lower: 0, upper: 0.02 }, 'errors')).toBe('+1 points (±0 … +2 points, 95 %)');
  expect(interval({ point: -0.958_9, lower: -0.960_9, upper: -0.956_8, confidenceLevel: 0.95 })).toBe('−95.9 % (−96.1 … −95.7 %, 95 %)');
  expect(interval({ point: 0, lower: 0, upper: 0, confidenceLevel: 0 })).toBe('not measured');
});

test('a level is never told higher than it is', () => {
  expect([0.95, 0.9862618677, 0.99999].map(level)).toEqual(['95 %', '98.6 %', '99.9 %']);
});

test('a metric has a name and its values have its unit', () => {
  expect(
    ['latency.p95:GET /orders', 'database.time:orders_idx', 'database.time:untouched', 'wal.bytes', 'new.metric'].map(metricName),
  ).toEqual([
    'p95 latency of GET /orders',
    'database time behind orders_idx',
    'database time of untouched statements',
    'write-ahead log',
    'new.metric',
  ]);
  expect([
    metricValue('latency.p95', 148_000),
    metricValue('database.time:x', 38),
    metricValue('errors', 0.004),
    metricValue('memory', 161e6),
  ]).toEqual(['148 ms', '38 ms', '0.4 %', '161 MB']);
  expect([evidenceValue(4_310, '1'), evidenceValue('a = $1', ''), evidenceValue(2_000, 'By'), evidenceValue(3, '{row}')]).toEqual([
    '4,310',
    'a = $1',
    '2 kB',
    '3 {row}',
  ]);
});

test('text of the target cannot rewrite a terminal or turn a line around', () => {
  expect(plain('GET /a\u001B[31m\n\tb\u202Ec\u0007')).toBe('GET /a[31m bc');
  expect(moment('2026-09-14T10:15:20.000Z')).toBe('2026-09-14 10:15 UTC');
});
