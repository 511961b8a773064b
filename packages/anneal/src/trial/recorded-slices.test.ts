import { describe, expect, test } from 'vitest';
import slices from '../stats/fixtures/aa-slices.json' with { type: 'json' };
import { seededRandom } from '../stats/random.ts';
import { signedRankTest } from '../stats/signed-rank.ts';
import { calibrate, raisedMinimumEffect } from './calibrate.ts';
import { assess, nominalLevelFor, standardLooks, type Question } from './decide.ts';
import { keptRounds, logRatios, pairedEvidence } from './paired-evidence.ts';
import type { Round, Slice } from './trial.ts';

/**
 * 64 rounds of four real servers on a busy two-core machine: A and A2 identical, B5 and B20 made to
 * work 6 % and 20 % more. Nothing here is simulated.
 */
type Variant = 'A' | 'A2' | 'B5' | 'B20';

function sliceOf(round: number, variant: Variant): (typeof slices)[number] {
  return slices.find((slice) => slice.round === round && slice.variant === variant)!;
}

/** Rounds of one variant against another. The generator's lag decides what is dropped, where latency is judged. */
function roundsOf(baseline: Variant, candidate: Variant, lagLimitMs = Number.POSITIVE_INFINITY): readonly Round[] {
  return Array.from({ length: 64 }, (_, index) => {
    const [before, after] = [sliceOf(index, baseline), sliceOf(index, candidate)];
    const late = Math.max(before.lag99_ms, after.lag99_ms) > lagLimitMs;
    return { index, first: 'baseline', baseline: asSlice(before), candidate: asSlice(after), dropped: late ? ['send lag'] : [], late: [] };
  });
}

function asSlice(recorded: (typeof slices)[number]): Slice {
  return {
    requests: recorded.n,
    failedRequests: 0,
    metrics: { 'cpu.time': recorded.cpu_us / 1000, 'latency.p50': recorded.p50 * 1000, 'latency.p95': recorded.p95 * 1000 },
  };
}

const nominalLevel = nominalLevelFor(standardLooks);
const judge = (rounds: readonly Round[], changes: Partial<Question> = {}) =>
  assess({ rounds, primary: 'cpu.time', minimumEffect: 0.02, guards: [], looks: standardLooks, nominalLevel, ...changes });

describe('CPU per request of recorded servers', () => {
  test.each([
    ['A2', -0.013],
    ['B5', 0.046],
    ['B20', 0.162],
  ] as const)('%s against A is estimated at %d over all rounds', (variant, change) => {
    expect(pairedEvidence('cpu.time', roundsOf('A', variant)).change(0.95).point).toBeCloseTo(change, 3);
  });

  test.each([0.02, 0.03])('identical servers are never told apart beyond %d, from whichever round the trial starts', (minimumEffect) => {
    for (let start = 0; start < 64; start += 1) {
      for (const [baseline, candidate] of [
        ['A', 'A2'],
        ['A2', 'A'],
      ] as const) {
        expect(['no-change', 'inconclusive']).toContain(
          judge(startingAt(start, roundsOf(baseline, candidate)), { minimumEffect }).primary.result,
        );
      }
    }
  });

  test.each(['B5', 'B20'] as const)('%s is found to have regressed, and A to improve on it', (variant) => {
    const worse = judge(roundsOf('A', variant));
    expect(worse.primary.result).toBe('regressed');
    expect(worse.finished).toBe(true);
    expect(judge(roundsOf(variant, 'A')).primary.result).toBe('improved');
  });

  test('20 % more work is found at the first look, 6 % may need later ones', () => {
    expect(judge(roundsOf('A', 'B20')).primary.rounds).toBe(10);
    expect(judge(roundsOf('A', 'B20')).primary.change.lower).toBeGreaterThan(0.1);
  });

  test('the real bias between identical servers is seen, and raises the minimum effect above it', () => {
    const noise = calibrate(roundsOf('A', 'A2')).find(({ metric }) => metric === 'cpu.time')!;
    expect(signedRankTest(logRatios('cpu.time', roundsOf('A', 'A2'))).twoSided).toBeCloseTo(0.002, 3);
    expect(noise.standardDeviation).toBeGreaterThan(0.025);
    expect(noise.standardDeviation).toBeLessThan(0.035);
    expect(raisedMinimumEffect(0.02, noise.bias)).toBeCloseTo(0.0251, 3);
    expect(raisedMinimumEffect(0.03, noise.bias)).toBe(0.03);
  });
});

describe('latency of recorded servers', () => {
  test.each(['latency.p50', 'latency.p95'] as const)(
    '%s calls no identical server improved, gated by the lag of the generator or not',
    (primary) => {
      for (const lagLimitMs of [5, Number.POSITIVE_INFINITY]) {
        for (const [baseline, candidate] of [
          ['A', 'A2'],
          ['A2', 'A'],
        ] as const) {
          const rounds = keptRounds(roundsOf(baseline, candidate, lagLimitMs));
          for (let start = 0; start < rounds.length; start += 1) {
            expect(judge(startingAt(start, rounds), { primary }).primary.result).not.toBe('improved');
          }
        }
      }
    },
  );

  test('CPU per request shows a difference in ten rounds that p95 does not show in sixty', () => {
    expect(judge(roundsOf('B20', 'A')).primary.result).toBe('improved');
    expect(judge(roundsOf('B20', 'A'), { primary: 'latency.p95' }).primary.result).toBe('inconclusive');
  });
});

describe('the peeking trap', () => {
  test('looking at p < 0.05 after every round condemns identical servers many times more often than the protocol', () => {
    const random = seededRandom(17);
    const ratios = logRatios('latency.p95', roundsOf('A', 'A2'));
    const repetitions = 400;
    let naive = 0;
    let protocol = 0;
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      // Which of two identical servers is called the candidate is a coin; so every alarm is false.
      const drawn = random
        .shuffle(ratios)
        .slice(0, 40)
        .map((ratio) => (random.next() < 0.5 ? ratio : -ratio));
      const alarmed = (rounds: number, level: number) => signedRankTest(drawn.slice(0, rounds)).twoSided < level;
      if (Array.from({ length: 35 }, (_, index) => index + 6).some((rounds) => alarmed(rounds, 0.05))) naive += 1;
      if ([10, 15, 20, 30, 40].some((rounds) => alarmed(rounds, nominalLevel))) protocol += 1;
    }
    expect(naive / repetitions).toBeGreaterThan(0.15);
    expect(protocol / repetitions).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / repetitions));
  });
});

function startingAt(start: number, rounds: readonly Round[]): readonly Round[] {
  return [...rounds.slice(start), ...rounds.slice(0, start)];
}
