import { describe, expect, test } from 'vitest';
import { measuredNoise, normalDraw, type NoiseModel } from '../stats/fixtures/noise.ts';
import { seededRandom, type Random } from '../stats/random.ts';
import { calibrate, guardMargin, placeboDrift, provability, raisedMinimumEffect, smallestProvableEffect } from './calibrate.ts';
import { assess, nominalLevelFor, standardLooks } from './decide.ts';
import { roundOf } from './fixtures/rounds.ts';

describe('calibration', () => {
  const design = { minimumEffect: 0.02, nominalLevel: nominalLevelFor(standardLooks) };
  const quiet: NoiseModel = (random) => 0.03 * normalDraw(random);
  const unbiased = (random: Random, noise: NoiseModel, shift: number, count: number) =>
    Array.from({ length: count }, (_, index) => roundOf(index, { 'cpu.time': shift + noise(random) }));

  test('finds the noise that is there, whatever few wild rounds do', () => {
    const random = seededRandom(4);
    const wild = unbiased(random, quiet, 0, 200).map((round, index) => (index % 40 === 0 ? roundOf(index, { 'cpu.time': 2 }) : round));
    const [noise] = calibrate(wild);
    expect(noise!.standardDeviation).toBeGreaterThan(0.2);
    expect(noise!.robustDeviation).toBeGreaterThan(0.025);
    expect(noise!.robustDeviation).toBeLessThan(0.036);
    expect(noise!.effectiveDeviation).toBeLessThan(0.06);
    expect(Math.abs(noise!.bias.point)).toBeLessThan(0.01);
  });

  test('leaves out dropped rounds, and metrics with fewer than six', () => {
    const rounds = unbiased(seededRandom(4), quiet, 0, 6);
    expect(calibrate(rounds)).toHaveLength(1);
    expect(calibrate(rounds.map((round, index) => (index === 0 ? { ...round, dropped: ['baseline: late'] } : round)))).toEqual([]);
  });

  test.each(Object.entries(measuredNoise))('%s: the smallest provable effect it states is proven as often as it says', (_, noise) => {
    const random = seededRandom(31);
    const [measured] = calibrate(unbiased(random, noise, 0, 2000));
    const rounds = 20;
    const effect = smallestProvableEffect(measured!, rounds, design);
    let proven = 0;
    for (let trial = 0; trial < 300; trial += 1) {
      const judgement = assess({
        rounds: unbiased(random, noise, Math.log1p(-effect), rounds),
        primary: 'cpu.time',
        guards: [],
        looks: [rounds],
        ...design,
      });
      if (judgement.primary.result === 'improved') proven += 1;
    }
    // Four in five; heavy tails bring it down to about two in three. Less three binomial standard errors.
    expect(proven / 300).toBeGreaterThan(0.66 - 3 * Math.sqrt((0.66 * 0.34) / 300));
    expect(proven / 300).toBeLessThan(0.92);
  });

  test('says before the trial what it can prove, and that a prediction is below it', () => {
    const [noise] = calibrate(unbiased(seededRandom(6), quiet, 0, 10));
    const trial = { ...design, looks: standardLooks };
    const able = provability(noise, trial, -0.2);
    expect(able.smallestEffect).toBe(
      smallestProvableEffect(noise!, standardLooks.at(-1)!, { ...design, minimumEffect: able.minimumEffect }),
    );
    expect(able.sentence).toMatch(/^a reduction of \d+(\.\d+)? % or more can be proven in 60 rounds$/);
    expect(provability(noise, trial, -0.025).sentence).toContain('too noisy for the 2.5 % predicted');
    expect(provability(noise, trial, 0.8).sentence).toContain('none is predicted, but 80 % more');
    expect(provability(noise, trial, 0).sentence).toContain('none is predicted, the trial will show');
    const biased = { ...noise!, bias: { point: -0.85, lower: -0.9, upper: -0.8, confidenceLevel: 0.95 } };
    expect(provability(biased, trial, -0.2).sentence).toContain('no reduction can be proven: arms that are equal differ by 85 %');
  });

  test('says that it does not know what it can prove of a metric it has hardly seen', () => {
    const { minimumEffect, smallestEffect, sentence } = provability(undefined, { ...design, looks: standardLooks }, -0.2);
    expect({ minimumEffect, smallestEffect }).toEqual({ minimumEffect: design.minimumEffect, smallestEffect: null });
    expect(sentence).toContain('fewer than 6 rounds');
  });

  test('raises the minimum effect to twice a shift seen between equal arms, and not below what was asked', () => {
    const shift = (point: number) => ({ point, lower: point - 0.01, upper: point + 0.01, confidenceLevel: 0.95 });
    expect(raisedMinimumEffect(0.02, shift(-0.013))).toBeCloseTo(0.026, 12);
    expect(raisedMinimumEffect(0.02, shift(0.009), shift(0.001))).toBe(0.02);
  });

  test('an unchanged guard holds its margin in 9 trials of 10 or more, and the margin is never below 5 %', () => {
    const random = seededRandom(8);
    const noise: NoiseModel = (random) => 0.2 * normalDraw(random);
    const [measured] = calibrate(unbiased(random, noise, 0, 400));
    const margin = guardMargin('latency.p95', measured, 20, design.nominalLevel, 4);
    expect(guardMargin('latency.p95', { ...measured!, effectiveDeviation: 0.001 }, 20, design.nominalLevel, 4)).toBe(0.05);
    expect(guardMargin('latency.p95', undefined, 20, design.nominalLevel, 4)).toBe(0.05);
    const guards = [{ metric: 'cpu.time', margin }] as const;
    let held = 0;
    for (let trial = 0; trial < 200; trial += 1) {
      const rounds = unbiased(random, noise, 0, 20);
      const judgement = assess({ rounds, primary: 'cpu.time', looks: [20], ...design, guards });
      if (judgement.guards[0]!.holds) held += 1;
    }
    expect(held / 200).toBeGreaterThan(0.9);
  });
});

describe('the placebo', () => {
  const design = { minimumEffect: 0.02, nominalLevel: 0.0142 };
  const controls = ['database.time:a', 'database.time:b', 'latency.p95:GET /c'] as const;
  const rounds = (drift: number) => {
    const random = seededRandom(14);
    return Array.from({ length: 20 }, (_, index) =>
      roundOf(index, Object.fromEntries(controls.map((control) => [control, drift + 0.01 * normalDraw(random)]))),
    );
  };

  test('confirms that what the change cannot touch did not move', () => {
    expect(placeboDrift(rounds(0), controls, design)).toMatchObject({ result: 'no-change', rounds: 20 });
  });

  test('sizes a drift that all of it shares', () => {
    const placebo = placeboDrift(rounds(Math.log(1.1)), controls, design)!;
    expect(placebo.result).toBe('regressed');
    expect(placebo.drift.point).toBeCloseTo(0.1, 1);
    expect(placebo.sentence).toContain('3 controls');
    expect(raisedMinimumEffect(0.02, placebo.drift)).toBeGreaterThan(0.19);
  });

  test('is not fooled by one control that the change did touch', () => {
    const one = rounds(0).map((round) => ({
      ...round,
      candidate: { ...round.candidate, metrics: { ...round.candidate.metrics, 'database.time:a': 10 } },
    }));
    expect(placeboDrift(one, controls, design)!.result).toBe('no-change');
  });

  test('is absent without controls', () => {
    expect(placeboDrift(rounds(0), [], design)).toBeNull();
    expect(placeboDrift(rounds(0), ['cpu.time'], design)).toBeNull();
  });
});
