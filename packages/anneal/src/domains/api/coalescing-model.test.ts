import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../stats/random.ts';
import { runsSpared, runsSparedWhenShorter } from './coalescing-model.ts';

/** Poisson arrivals and runs of one length, played through; `coalesced` as the policy does it. */
function simulate(arrivalsPerRun: number, seed: number): { readonly overlappingShare: number; readonly spared: number } {
  const random = seededRandom(seed, 'coalescing');
  const arrivals: number[] = [];
  for (let now = 0; arrivals.length < 20_000;) {
    now += -Math.log(1 - random.next()) / arrivalsPerRun;
    arrivals.push(now);
  }
  const overlapping = arrivals.filter((at, index) => index > 0 && at - arrivals[index - 1]! < 1).length;
  let runs = 0;
  let busyUntil = Number.NEGATIVE_INFINITY;
  let waiting = false;
  for (const at of arrivals) {
    if (at < busyUntil) waiting = true;
    else {
      // Whoever gathered was worked out in one run from `busyUntil` on.
      while (waiting && busyUntil <= at) {
        runs += 1;
        busyUntil += 1;
        waiting = false;
        if (at < busyUntil) waiting = true;
      }
      if (!waiting && at >= busyUntil) {
        runs += 1;
        busyUntil = at + 1;
      }
    }
  }
  return { overlappingShare: overlapping / arrivals.length, spared: 1 - (runs + Number(waiting)) / arrivals.length };
}

describe('the runs spared', () => {
  test.each([0.2, 0.5, 1, 2, 5])('at %s arrivals per run are those of a simulated queue', (arrivalsPerRun) => {
    const { overlappingShare, spared } = simulate(arrivalsPerRun, 11);
    expect(runsSpared(overlappingShare)).toBeGreaterThan(spared - 0.03);
    expect(runsSpared(overlappingShare)).toBeLessThan(spared + 0.03);
  });

  test('are none without overlap, nearly all with nothing but overlap, and fewer where runs get shorter', () => {
    expect(runsSpared(0)).toBeCloseTo(0);
    expect(runsSpared(1)).toBeGreaterThan(0.95);
    for (const share of [0.1, 0.5, 0.9, 1]) {
      expect(runsSparedWhenShorter(share)).toBeLessThan(runsSpared(share));
      expect(runsSparedWhenShorter(share)).toBeGreaterThan(0);
    }
  });
});
