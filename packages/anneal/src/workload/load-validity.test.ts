import { expect, test } from 'vitest';
import { aRunPart, histogramOf } from './fixtures/load-results.ts';
import { judgeWindow, type WindowFacts } from './load-validity.ts';

const times = (count: number, valueUs: number) => Array.from({ length: count }, () => valueUs);

/** A thousand requests of 10 ms in a second, sent on time: ten in flight. */
const sound: WindowFacts = {
  executor: { type: 'constant-arrival-rate', ratePerSecond: 1000 },
  windowMs: 1000,
  elapsedMs: 1000,
  part: aRunPart({
    plannedIterations: 1000,
    startedIterations: 1000,
    requests: 1000,
    serviceTimeUs: histogramOf(...times(1000, 10_000)),
    sendLagUs: histogramOf(...times(1000, 200)),
    lastSentMs: 999,
  }),
  meanInFlight: 10,
  generatorCpuShare: 0.3,
  stealShare: 0,
};

const withPart = (given: Parameters<typeof aRunPart>[0]): WindowFacts => ({ ...sound, part: { ...sound.part, ...given } });

test('a window sent on time is valid', () => {
  expect(judgeWindow(sound)).toEqual({ valid: true, problems: [], timingProblems: [] });
});

test('little differences at every limit are still valid', () => {
  const facts = withPart({ plannedIterations: 1001, droppedIterations: 1, sendLagUs: histogramOf(...times(1000, 4900)), lastSentMs: 1009 });
  expect(judgeWindow({ ...facts, meanInFlight: 10.4, generatorCpuShare: 0.79, stealShare: 0.019 }).problems).toEqual([]);
});

test.each<[string, WindowFacts]>([
  ['send lag p99 31 ms exceeds 5 ms', withPart({ sendLagUs: histogramOf(...times(970, 200), ...times(30, 31_000)) })],
  ['the generator achieved 80 % of the planned rate, limit 99 %', withPart({ lastSentMs: 1250 })],
  ['the hypervisor took 5 % of the CPU (steal), limit 2 %', { ...sound, stealShare: 0.05 }],
  ['12 requests were in flight on average, rate times latency gives 10: more than 5 % apart', { ...sound, meanInFlight: 12 }],
])('%s: the clock is spoilt, what the requests cost is not', (problem, facts) => {
  expect(judgeWindow(facts)).toEqual({ valid: false, problems: [problem], timingProblems: [problem] });
});

test.each<[string, WindowFacts]>([
  [
    '2 of 1000 iterations (0.2 %) were dropped at the in-flight cap, limit 0.1 %',
    withPart({ startedIterations: 998, droppedIterations: 2 }),
  ],
  ['3 request(s) had no answer when the drain time ended', withPart({ unfinishedRequests: 3 })],
  ['the generator used 95 % of a core, limit 80 %', { ...sound, generatorCpuShare: 0.95 }],
])('%s: another load was measured', (problem, facts) => {
  expect(judgeWindow(facts)).toEqual({ valid: false, problems: [problem], timingProblems: [] });
});

test('a slow target forgives a tenth of its median', () => {
  const slow = { requests: 100, serviceTimeUs: histogramOf(...times(100, 400_000)) };
  expect(judgeWindow(withPart({ ...slow, sendLagUs: histogramOf(...times(100, 31_000)) })).valid).toBe(true);
  expect(judgeWindow(withPart({ ...slow, sendLagUs: histogramOf(...times(100, 45_000)) })).valid).toBe(false);
});

test("virtual users have no schedule to be late for, and few requests cannot tell Little's law", () => {
  const facts = withPart({ requests: 199, sendLagUs: histogramOf(31_000), droppedIterations: 5, lastSentMs: 5000 });
  expect(judgeWindow({ ...facts, executor: { type: 'constant-vus', vus: 5 }, meanInFlight: 20 }).valid).toBe(true);
});
