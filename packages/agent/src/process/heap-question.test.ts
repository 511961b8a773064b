import { expect, test } from 'vitest';
import { Histogram } from '../histogram.ts';
import { heapQuestionAfter } from './heap-question.ts';

/** A window of a second in which the main thread was at work for a tenth of it. */
function questionAfter(gcMs: number, gcCount: number): string {
  const runtime = {
    cpuMs: 100,
    eventLoopUtilizationShare: 0.1,
    eventLoopDelayUs: new Histogram().toData(),
    gcMs,
    gcCount,
    heapUsedBytes: 50e6,
    residentBytes: 100e6,
  };
  return heapQuestionAfter(runtime, 1_000);
}

test('who allocates is asked once collections certainly take much of the time', () => {
  expect(questionAfter(20, 40)).toBe('who allocates');
  expect(questionAfter(5, 40)).toBe('who keeps');
  expect(questionAfter(0, 0)).toBe('who keeps');
});

test('a collection or two prove nothing, however long the machine made them', () => {
  expect(questionAfter(90, 1)).toBe('who keeps');
  expect(questionAfter(50, 2)).toBe('who keeps');
  expect(questionAfter(50, 10)).toBe('who allocates');
});
