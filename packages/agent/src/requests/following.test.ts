import { describe, expect, test } from 'vitest';
import { Following } from './following.ts';

interface Seen {
  opened: number;
  followed: number;
  /** How many all those that were opened stand for. */
  stoodFor: number;
}

/** A second of evenly spaced requests, and what was seen of the last nine tenths. */
function seenIn(following: Following, fromMs: number, perSecond: number, calls: number): Seen {
  const seen = { opened: 0, followed: 0, stoodFor: 0 };
  for (let index = 0; index < perSecond; index += 1) {
    const standsFor = following.opensNext(fromMs + (index * 1000) / perSecond);
    if (standsFor === 0) continue;
    const follows = following.followsNext();
    if (follows) following.ended(calls);
    if (index < perSecond / 10) continue;
    seen.opened += 1;
    seen.stoodFor += standsFor;
    if (follows) seen.followed += 1;
  }
  return seen;
}

/** Of seconds in which nothing is compared: then all are opened for that. */
function seenUncompared(perSecond: number, calls: number): Seen {
  const following = new Following();
  seenIn(following, 0, perSecond, calls);
  const sums = { opened: 0, followed: 0, stoodFor: 0 };
  let ticks = 0;
  for (let tick = 1; ticks < 9; tick += 1) {
    const before = { ...sums };
    // One request begins the tick, which draws whether it compares.
    for (let index = 0; index < perSecond / 10; index += 1) {
      const standsFor = following.opensNext(1000 + 100 * tick + (index * 1000) / perSecond);
      if (standsFor === 0) continue;
      const follows = following.followsNext();
      if (follows) following.ended(calls);
      sums.opened += 1;
      sums.stoodFor += standsFor;
      if (follows) sums.followed += 1;
    }
    if (following.compares) Object.assign(sums, before);
    else ticks += 1;
  }
  return sums;
}

/** Seven standard deviations of a count that is nearly Poisson, and what smoothing still remembers. */
const tolerated = (wanted: number) => 7 * Math.sqrt(wanted) + 0.1 * wanted;

describe('which requests are followed', () => {
  test('under little traffic all of them', () => {
    expect(seenIn(new Following(), 0, 80, 11)).toEqual({ opened: 72, followed: 72, stoodFor: 72 });
  });

  test('under much traffic as many are opened and followed as the budgets allow, whatever a request costs', () => {
    for (const calls of [0, 1, 11, 60]) {
      const { opened, followed } = seenUncompared(20_000, calls);
      // Requests without statements are followed as far as they are opened.
      const wanted = 0.9 * Math.min(1000 / (1 + calls), 500);
      expect(Math.abs(followed - wanted)).toBeLessThan(tolerated(wanted));
      expect(Math.abs(opened - 450)).toBeLessThan(tolerated(450));
    }
  });

  test('those that are opened stand for all, also where one stands for a part of another', () => {
    for (const perSecond of [1_300, 2_500, 20_000]) {
      const { opened, stoodFor } = seenUncompared(perSecond, 11);
      // Each stands for about as many, give or take one.
      expect(Math.abs(stoodFor - 0.9 * perSecond)).toBeLessThan((7 * perSecond) / Math.sqrt(opened));
    }
  });

  test('requests that are compared with their neighbours are all opened, now and then', () => {
    const following = new Following();
    seenIn(following, 0, 20_000, 11);
    let compared = 0;
    let atMs = 1000;
    const letPassWhileCompared: number[] = [];
    for (let tick = 0; tick < 400; tick += 1) {
      for (let index = 0; index < 2000; index += 1) {
        atMs += 0.05;
        const standsFor = following.opensNext(atMs);
        if (standsFor !== 0 && following.followsNext()) following.ended(11);
        if (following.compares && standsFor !== 1) letPassWhileCompared.push(atMs);
      }
      if (following.compares) compared += 1;
    }
    expect(letPassWhileCompared).toEqual([]);
    // One in 16 of 400 ticks.
    expect(Math.abs(compared - 25)).toBeLessThan(7 * Math.sqrt(25));
  });

  test('after the rush all of them again', () => {
    const following = new Following();
    seenIn(following, 0, 20_000, 11);
    expect(seenIn(following, 1000, 80, 11)).toMatchObject({ opened: 72, followed: 72 });
  });

  test('observation that goes on expects the traffic there was', () => {
    const following = new Following();
    seenIn(following, 0, 20_000, 11);
    following.resume(60_000);
    let followed = 0;
    for (let index = 0; index < 1000; index += 1) {
      if (following.opensNext(60_000 + index / 20) !== 0 && following.followsNext()) followed += 1;
    }
    expect(followed).toBeLessThan(100);
  });
});
