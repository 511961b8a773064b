import { describe, expect, test } from 'vitest';
import { measuredNoise, normalDraw, type NoiseModel } from '../stats/fixtures/noise.ts';
import { seededRandom, type Random } from '../stats/random.ts';
import { mean } from '../stats/sample.ts';
import { assess, nominalLevelFor, shortLooks, standardLooks } from './decide.ts';
import { roundOf } from './fixtures/rounds.ts';
import type { Round } from './trial.ts';

/** Each trial has a bias of its own (standard deviation 1 %): two processes of the same code are not quite the same. */
function trialOf(random: Random, noise: NoiseModel, change: number, count = 60): readonly Round[] {
  const bias = 0.01 * normalDraw(random);
  return Array.from({ length: count }, (_, index) => roundOf(index, { 'cpu.time': Math.log1p(change) + bias + noise(random) }));
}

/** Share of trials that end as `improved`. */
function keptShare(noise: NoiseModel, change: number, looks: readonly number[], trials: number): number {
  const random = seededRandom(99, `${change}`);
  const nominalLevel = nominalLevelFor(looks);
  let kept = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const rounds = trialOf(random, noise, change, looks.at(-1));
    const { primary } = assess({ rounds, primary: 'cpu.time', minimumEffect: 0.02, guards: [], looks, nominalLevel });
    if (primary.result === 'improved') kept += 1;
  }
  return kept / trials;
}

describe('over many simulated trials', () => {
  test('identical arms are kept in at most 2 trials of 100 under every noise, and in 1 of 100 over all', () => {
    const trials = 600;
    const kept = Object.values(measuredNoise).flatMap((noise) =>
      [standardLooks, shortLooks].map((looks) => keptShare(noise, 0, looks, trials)),
    );
    // A share of 2 % shows as up to 3.7 % in 600 trials: three binomial standard errors.
    for (const share of kept) expect(share).toBeLessThanOrEqual(0.02 + 3 * Math.sqrt((0.02 * 0.98) / trials));
    expect(mean(kept)).toBeLessThanOrEqual(0.01);
  });

  test.each(Object.entries(measuredNoise))('%s: a change of -20 % is kept in at least 8 trials of 10', (_, noise) => {
    expect(keptShare(noise, -0.2, standardLooks, 200)).toBeGreaterThanOrEqual(0.8);
  });

  test('CPU per request shows even -5 % in 8 trials of 10, and -20 % in a short design', () => {
    const cpu = measuredNoise['CPU per request, 3 %']!;
    expect(keptShare(cpu, -0.05, standardLooks, 200)).toBeGreaterThanOrEqual(0.8);
    expect(keptShare(cpu, -0.2, shortLooks, 200)).toBe(1);
  });
});
