import { describe, expect, test } from 'vitest';
import { Following } from './following.ts';

/** A second of evenly spaced requests; how many of the last nine tenths were followed. */
function followedIn(following: Following, fromMs: number, perSecond: number, calls: number): number {
  let followed = 0;
  for (let index = 0; index < perSecond; index += 1) {
    const takes = following.takesNext(fromMs + (index * 1000) / perSecond);
    if (takes) following.ended(calls);
    if (takes && index >= perSecond / 10) followed += 1;
  }
  return followed;
}

describe('which requests are followed', () => {
  test('under little traffic all of them', () => {
    expect(followedIn(new Following(), 0, 100, 11)).toBe(90);
  });

  test('under much traffic as many as the budget allows, whatever a request costs', () => {
    for (const calls of [0, 1, 11, 60]) {
      const following = new Following();
      const wanted = (0.9 * 2000) / (1 + calls);
      followedIn(following, 0, 20_000, calls);
      const followed = followedIn(following, 1000, 20_000, calls);
      // Seven standard deviations of a count that is nearly Poisson, and what smoothing still remembers.
      expect(Math.abs(followed - wanted)).toBeLessThan(7 * Math.sqrt(wanted) + 0.1 * wanted);
    }
  });

  test('after the rush all of them again', () => {
    const following = new Following();
    followedIn(following, 0, 20_000, 11);
    expect(followedIn(following, 1000, 100, 11)).toBe(90);
  });

  test('observation that goes on expects the traffic there was', () => {
    const following = new Following();
    followedIn(following, 0, 20_000, 11);
    following.resume(60_000);
    let followed = 0;
    for (let index = 0; index < 1000; index += 1) if (following.takesNext(60_000 + index / 20)) followed += 1;
    expect(followed).toBeLessThan(100);
  });
});
