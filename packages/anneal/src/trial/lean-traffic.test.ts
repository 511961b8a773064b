import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import type { Workload } from '../workload/workload.ts';
import {
  leanedAllowance,
  leaningInWords,
  leanTraffic,
  ordinaryShare,
  timedIterations,
  wantedIterations,
  type TrafficToLean,
} from './lean-traffic.ts';

function workloadOf(weights: readonly number[]): Workload {
  return {
    name: 'shop',
    seed: 1,
    executor: { type: 'constant-arrival-rate', ratePerSecond: 50 },
    scenarios: weights.map((weight, index) => ({ name: `s${index}`, weight, steps: [{ method: 'GET', path: `/s${index}` }] })),
    variables: {},
    login: null,
    thresholds: {},
  };
}

const even = (count: number, busyMs = 1) => new Map(Array.from({ length: count }, (_, index) => [`s${index}`, busyMs] as const));

const traffic = fc.integer({ min: 2, max: 12 }).chain((count) =>
  fc.record({
    workload: fc
      .array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: count, maxLength: count })
      .map((weights) => workloadOf(weights)),
    perSlice: fc.double({ min: 1, max: 5000, noNaN: true }),
    behind: fc.array(
      fc.record({
        scenarios: fc.subarray(
          Array.from({ length: count }, (_, index) => `s${index}`),
          { minLength: 0 },
        ),
        wantedPerSlice: fc.double({ min: 0.5, max: 40, noNaN: true }),
      }),
      { maxLength: 5 },
    ),
    busyMs: fc
      .array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: count, maxLength: count })
      .map((times) => new Map(times.map((time, index) => [`s${index}`, time]))),
  }),
);

const sharesOf = ({ scenarios }: Workload) => {
  const total = scenarios.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(scenarios.map(({ name, weight }) => [name, weight / total]));
};

const sumOf = (names: readonly string[], shares: ReadonlyMap<string, number>) => names.reduce((sum, name) => sum + shares.get(name)!, 0);

test('no scenario loses more than a third of its rate, the rate stays, and the target is at most a tenth busier', () => {
  fc.assert(
    fc.property(traffic, (given) => {
      const { workload } = leanTraffic(given);
      const [before, after] = [sharesOf(given.workload), sharesOf(workload)];
      for (const [name, share] of before) expect(after.get(name)! / share).toBeGreaterThanOrEqual(ordinaryShare - 1e-9);
      const busy = (shares: ReadonlyMap<string, number>) =>
        [...shares].reduce((sum, [name, share]) => sum + share * given.busyMs.get(name)!, 0);
      expect(busy(after)).toBeLessThanOrEqual(busy(before) * 1.1 + 1e-9);
      const weight = (of: Workload) => of.scenarios.reduce((sum, scenario) => sum + scenario.weight, 0);
      expect(weight(workload) / weight(given.workload)).toBeCloseTo(1, 9);
      expect(workload.executor).toBe(given.workload.executor);
    }),
  );
});

test('what nothing leans to keeps its proportions', () => {
  fc.assert(
    fc.property(traffic, (given) => {
      const { workload } = leanTraffic(given);
      const leanedTo = new Set(given.behind.flatMap(({ scenarios }) => scenarios));
      const factors = given.workload.scenarios.flatMap(({ name, weight }, index) =>
        leanedTo.has(name) ? [] : [workload.scenarios[index]!.weight / weight],
      );
      for (const factor of factors) expect(factor).toBeCloseTo(factors[0]!, 9);
    }),
  );
});

test('leans no further than is wanted, and to nothing that runs often enough', () => {
  fc.assert(
    fc.property(traffic, (given) => {
      const { workload, leanings } = leanTraffic(given);
      const [before, after] = [sharesOf(given.workload), sharesOf(workload)];
      for (const [index, leaning] of leanings.entries()) {
        if (leaning === null) continue;
        const { scenarios, wantedPerSlice } = given.behind[index]!;
        expect(leaning.scenarios).toEqual(scenarios);
        expect(leaning.ordinaryPerSlice).toBeCloseTo(sumOf(leaning.scenarios, before) * given.perSlice, 6);
        expect(leaning.perSlice).toBeCloseTo(sumOf(leaning.scenarios, after) * given.perSlice, 6);
        expect(leaning.ordinaryPerSlice).toBeLessThan(wantedPerSlice);
        expect(leaning.factor).toBeGreaterThan(1);
        // One that shares a scenario with others may be raised with each of them; alone, none is raised beyond what is wanted.
        const sharing = given.behind.filter((other) => other.scenarios.some((name) => scenarios.includes(name)));
        const together = sharing.reduce(
          (sum, other) => sum + Math.max(other.wantedPerSlice, sumOf(other.scenarios, before) * given.perSlice),
          0,
        );
        expect(leaning.perSlice).toBeLessThanOrEqual(together * (1 + 1e-9));
      }
    }),
  );
});

const behindOf = (wantedPerSlice: number, ...sets: readonly (readonly string[])[]) =>
  sets.map((scenarios) => ({ scenarios, wantedPerSlice }));

const rare: TrafficToLean = {
  workload: workloadOf([95, 4, 1]),
  perSlice: 100,
  behind: behindOf(8, ['s1'], ['s2']),
  busyMs: even(3),
};

test('two rare scenarios are raised to the same number in a slice', () => {
  const { leanings } = leanTraffic(rare);
  expect(leanings.map((leaning) => leaning?.perSlice)).toEqual([expect.closeTo(8, 6), expect.closeTo(8, 6)]);
  expect(leanings.map((leaning) => leaning?.factor)).toEqual([expect.closeTo(2, 6), expect.closeTo(8, 6)]);
});

test('what is judged by a mean of times has more, and the rest of it no more than is wanted', () => {
  const { leanings } = leanTraffic({ ...rare, behind: [...behindOf(8, ['s1']), ...behindOf(timedIterations, ['s2'])] });
  expect(leanings.map((leaning) => leaning?.perSlice)).toEqual([expect.closeTo(8, 1), expect.closeTo(28.7, 1)]);
});

test('where the bound does not let all of them have what is wanted, the rarest are raised first', () => {
  const { leanings } = leanTraffic({ ...rare, perSlice: 20 });
  const [often, seldom] = leanings;
  expect(often!.perSlice).toBeCloseTo(seldom!.perSlice, 6);
  expect(seldom!.perSlice).toBeGreaterThan(3);
  expect(seldom!.perSlice).toBeLessThan(8);
});

test('a dear scenario is leaned to only as far as the target stays as busy as a tenth more', () => {
  const cheap = leanTraffic({ ...rare, behind: behindOf(8, ['s2']) });
  const dear = leanTraffic({ ...rare, behind: behindOf(8, ['s2']), busyMs: new Map([...even(3), ['s2', 10]]) });
  expect(cheap.leanings[0]!.perSlice).toBeCloseTo(8, 6);
  expect(dear.leanings[0]!.perSlice).toBeLessThan(3);
  expect(dear.leanings[0]!.perSlice).toBeGreaterThan(2);
});

test('ordinary traffic stays the very same where nothing is rare, nothing is known, or weights decide nothing', () => {
  for (const given of [
    { ...rare, perSlice: 1000 },
    { ...rare, behind: [] },
    { ...rare, behind: behindOf(8, [], ['gone']) },
    { ...rare, perSlice: 0 },
    { ...rare, workload: workloadOf([95, 4, 0]), behind: behindOf(8, ['s2']) },
  ]) {
    const { workload, leanings } = leanTraffic(given);
    expect(workload).toBe(given.workload);
    expect(leanings).toEqual(given.behind.map(() => null));
  }
});

test('with as many iterations as are wanted a whole trial has an empty slice once in a hundred', () => {
  const rounds = 12;
  const chanceOfNone = Math.exp(-wantedIterations(rounds));
  expect(1 - (1 - chanceOfNone) ** rounds).toBeCloseTo(0.01, 3);
});

test('what a change is paid for with is paid as often as the traffic runs it, but nobody waits longer for that', () => {
  const leaning = { scenarios: ['guide'], factor: 4, ordinaryPerSlice: 1.75, perSlice: 7 };
  expect(leanedAllowance('cpu.time', 0.03, leaning)).toBeCloseTo(0.12);
  expect(leanedAllowance('latency.p99', 0.03, leaning)).toBe(0.03);
  expect(leanedAllowance('cpu.time', 0.03, undefined)).toBe(0.03);
});

test('says how far it leaned and to what', () => {
  expect(leaningInWords({ scenarios: ['like'], factor: 9.04, ordinaryPerSlice: 0.9, perSlice: 8.1 })).toBe(
    'traffic leaned to "like", 9.04 times as often as ordinarily, so that a slice holds 8.1 of it',
  );
});
