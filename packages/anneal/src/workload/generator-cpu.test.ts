import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { parseCpuTicks, stealShare } from './generator-cpu.ts';
import { raisedPriority } from './scheduling-priority.ts';

const before = 'cpu  100 0 50 800 10 0 5 35 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n';
const after = 'cpu  150 0 60 880 10 0 5 45 9 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n';

test('steal is its share of all ticks between two readings', () => {
  expect(parseCpuTicks(before)).toEqual({ total: 1000, stolen: 35 });
  expect(stealShare(parseCpuTicks(before), parseCpuTicks(after))).toBeCloseTo(10 / 150);
});

test('where the system does not tell, nothing is concluded', () => {
  expect(parseCpuTicks('intr 5\n')).toBeNull();
  expect(stealShare(null, parseCpuTicks(after))).toBeNull();
  expect(stealShare(parseCpuTicks(after), parseCpuTicks(after))).toBeNull();
});

test('a raised priority is given back', () => {
  const usual = getPriority();
  {
    using priority = raisedPriority();
    expect(getPriority() < usual).toBe(priority.raised);
  }
  expect(getPriority()).toBe(usual);
});
