import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import {
  activeIntervalsMs,
  arrivalsOf,
  arrivalTimesMs,
  mostVus,
  stagesDurationMs,
  type ClosedExecutor,
  type RateExecutor,
} from './arrival-schedule.ts';

const rate = fc.double({ min: 0, max: 500, noNaN: true });
const stages = fc.array(fc.record({ targetRatePerSecond: rate, durationMs: fc.integer({ min: 0, max: 4000 }) }), {
  minLength: 1,
  maxLength: 5,
});
const ramp = fc.record({ type: fc.constant('ramping-arrival-rate' as const), startRatePerSecond: rate, stages });
const steady = fc.record({
  type: fc.constant('constant-arrival-rate' as const),
  ratePerSecond: fc.double({ min: 0.1, max: 500, noNaN: true }),
});
const windowMs = fc.integer({ min: 1, max: 12_000 });

test('constant arrivals stand a gap apart, half a gap from the edges', () => {
  expect([...arrivalTimesMs({ type: 'constant-arrival-rate', ratePerSecond: 4 }, 1000, 1)]).toEqual([125, 375, 625, 875]);
});

test('a window holds the rounded integral of the rate, in order and inside the window', () => {
  fc.assert(
    fc.property(fc.oneof(ramp, steady), windowMs, (executor, durationMs) => {
      const times = [...arrivalTimesMs(executor, durationMs, 1)];
      expect(Math.abs(times.length - integralOf(executor, durationMs))).toBeLessThanOrEqual(0.5 + 1e-6);
      expect(times.every((time) => time >= 0 && time <= durationMs)).toBe(true);
      expect(times.every((time, index) => index === 0 || time >= times[index - 1]!)).toBe(true);
    }),
  );
});

test('up to any moment the arrivals follow the integral, not only in total', () => {
  fc.assert(
    fc.property(ramp, windowMs, (executor, durationMs) => {
      [...arrivalTimesMs(executor, durationMs, 1)].forEach((time, index) => {
        expect(integralOf(executor, time)).toBeCloseTo(index + 0.5, 4);
      });
    }),
    { numRuns: 30 },
  );
});

test('Poisson arrivals have the rate asked for, differ with the seed and repeat with it', () => {
  const executor = { type: 'constant-arrival-rate', ratePerSecond: 200, arrivals: 'poisson' } as const;
  const times = [...arrivalTimesMs(executor, 60_000, 7)];
  // 12 000 expected with a standard deviation of 110.
  expect(Math.abs(times.length - 12_000)).toBeLessThan(5 * 110);
  expect([...arrivalTimesMs(executor, 60_000, 7)]).toEqual(times);
  expect([...arrivalTimesMs(executor, 60_000, 8)]).not.toEqual(times);
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  const meanGap = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - meanGap) ** 2, 0) / gaps.length;
  // The exponential's standard deviation equals its mean; even spacing would give 0.
  expect(Math.sqrt(variance) / meanGap).toBeGreaterThan(0.9);
  expect(Math.sqrt(variance) / meanGap).toBeLessThan(1.1);
});

test('after the stages the last rate holds, and a shorter window cuts them', () => {
  const executor: RateExecutor = {
    type: 'ramping-arrival-rate',
    startRatePerSecond: 0,
    stages: [{ targetRatePerSecond: 100, durationMs: 2000 }],
  };
  expect([...arrivalTimesMs(executor, 2000, 1)]).toHaveLength(100);
  expect([...arrivalTimesMs(executor, 3000, 1)]).toHaveLength(200);
  expect([...arrivalTimesMs(executor, 1000, 1)]).toHaveLength(25);
  expect(stagesDurationMs(executor)).toBe(2000);
});

test('virtual users come and go where the ramp passes their number', () => {
  const executor: ClosedExecutor = {
    type: 'ramping-vus',
    startVus: 0,
    stages: [
      { targetVus: 4, durationMs: 4000 },
      { targetVus: 0, durationMs: 4000 },
    ],
  };
  expect(mostVus(executor)).toBe(4);
  expect(activeIntervalsMs(executor, 0, 8000)).toEqual([{ startMs: 1000, endMs: 7000 }]);
  expect(activeIntervalsMs(executor, 2, 8000)).toEqual([{ startMs: 3000, endMs: 5000 }]);
  expect(activeIntervalsMs({ type: 'constant-vus', vus: 2 }, 1, 500)).toEqual([{ startMs: 0, endMs: 500 }]);
});

test('the time all users are active is the integral of the ramp, but for the part of a user at each moment', () => {
  const vus = fc.integer({ min: 0, max: 20 });
  const vuStages = fc.array(fc.record({ targetVus: vus, durationMs: fc.integer({ min: 1, max: 2000 }) }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(vus, vuStages, (startVus, given) => {
      const executor: ClosedExecutor = { type: 'ramping-vus', startVus, stages: given };
      const durationMs = stagesDurationMs(executor)!;
      let activeMs = 0;
      for (let user = 0; user < mostVus(executor); user += 1) {
        for (const { startMs, endMs } of activeIntervalsMs(executor, user, durationMs)) activeMs += endMs - startMs;
      }
      // One user is one user-millisecond per millisecond: 1000 a second.
      const userMs = integralOf(
        {
          type: 'ramping-arrival-rate',
          startRatePerSecond: startVus * 1000,
          stages: given.map(({ targetVus, durationMs }) => ({ targetRatePerSecond: targetVus * 1000, durationMs })),
        },
        durationMs,
      );
      expect(activeMs).toBeLessThanOrEqual(userMs + 1e-6);
      expect(activeMs).toBeGreaterThanOrEqual(userMs - durationMs - 1e-6);
    }),
  );
});

/** The area under the rate, trapezium by trapezium, forwards in time: the schedule solves the inverse problem. */
function integralOf(executor: RateExecutor, durationMs: number): number {
  if (executor.type === 'constant-arrival-rate') return (executor.ratePerSecond * durationMs) / 1000;
  let sum = 0;
  let startMs = 0;
  let level = executor.startRatePerSecond;
  for (const stage of executor.stages) {
    const takenMs = Math.max(Math.min(stage.durationMs, durationMs - startMs), 0);
    const reached =
      stage.durationMs === 0 ? stage.targetRatePerSecond : level + ((stage.targetRatePerSecond - level) * takenMs) / stage.durationMs;
    sum += ((level + reached) / 2) * (takenMs / 1000);
    startMs += stage.durationMs;
    level = stage.targetRatePerSecond;
  }
  return sum + level * (Math.max(durationMs - startMs, 0) / 1000);
}

const recording = fc
  .array(fc.integer({ min: 0, max: 9999 }), { minLength: 1, maxLength: 60 })
  .map((times) => times.toSorted((a, b) => a - b).map((atMs, index) => ({ atMs, scenario: `request ${index}` })))
  .map((arrivals) => ({ type: 'recorded-arrivals' as const, arrivals, lengthMs: 10_000 }));

test('a window as long as the recording plays it whole, at its own times', () => {
  fc.assert(
    fc.property(recording, fc.integer(), (executor, seed) => {
      const played = [...arrivalsOf(executor, 10_000, seed)];
      expect(played.map(({ atMs, recorded }) => ({ atMs, scenario: recorded?.scenario }))).toEqual(executor.arrivals);
    }),
  );
});

test('twice the speed plays the same requests in half the time, and goes through them again for the rest', () => {
  fc.assert(
    fc.property(recording, (executor) => {
      const played = [...arrivalsOf({ ...executor, speed: 2 }, 10_000, 1)];
      expect(played).toHaveLength(2 * executor.arrivals.length);
      for (const [index, { atMs, recorded }] of played.entries()) {
        const again = index >= executor.arrivals.length;
        expect(recorded).toBe(executor.arrivals[index % executor.arrivals.length]);
        expect(atMs).toBeCloseTo(recorded!.atMs / 2 + (again ? 5000 : 0), 6);
      }
    }),
  );
});

test('a shorter window is a stretch of the recording with its gaps, the same for the same seed', () => {
  fc.assert(
    fc.property(recording, fc.integer({ min: 1, max: 9999 }), fc.integer(), (executor, durationMs, seed) => {
      const played = [...arrivalsOf(executor, durationMs, seed)];
      expect([...arrivalsOf(executor, durationMs, seed)]).toEqual(played);
      const first = executor.arrivals.findIndex((arrival) => arrival === played[0]?.recorded);
      for (const [index, { atMs, recorded }] of played.entries()) {
        expect(recorded).toBe(executor.arrivals[first + index]);
        expect(atMs).toBeGreaterThanOrEqual(0);
        expect(atMs).toBeLessThan(durationMs);
        expect(atMs - played[0]!.atMs).toBeCloseTo(recorded!.atMs - played[0]!.recorded!.atMs, 6);
      }
    }),
  );
});
