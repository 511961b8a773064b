import { describe, expect, test } from 'vitest';
import { Following, type Look } from './following.ts';

interface Traffic {
  readonly perSecond: number;
  readonly seconds: number;
  /** Statements of each request. */
  readonly calls: number;
  /** Requests that are open at once. */
  readonly underWay?: number;
}

/** Evenly spaced requests from then on, and the rows that those that were opened arrived in. */
function arrive(following: Following, fromMs: number, { perSecond, seconds, calls, underWay = 8 }: Traffic): readonly (Look | null)[] {
  return Array.from({ length: perSecond * seconds }, (_, index) => {
    const look = following.arrives(fromMs + (index * 1000) / perSecond, underWay);
    if (look !== null) following.ended(calls);
    return look;
  });
}

const opened = (looks: readonly (Look | null)[]) => looks.filter((look) => look !== null);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('which requests are looked at', () => {
  test('under little traffic all of them, and each stands for itself', () => {
    const looks = arrive(new Following(), 0, { perSecond: 40, seconds: 20, calls: 11 });
    expect(new Set(looks.map((look) => look?.weight))).toEqual(new Set([1]));
  });

  test('under much traffic as many as the budget allows, whatever a request costs', () => {
    for (const [arrivals, calls, budget] of [
      [5_000, 0, 250],
      [5_000, 1, 250],
      [5_000, 11, 250],
      [5_000, 60, 250],
      [750, 11, 375],
      [200, 11, 500],
    ] as const) {
      const seconds = 4_000_000 / arrivals;
      const following = new Following();
      arrive(following, 0, { perSecond: arrivals, seconds: 8, calls });
      const looks = arrive(following, 8000, { perSecond: arrivals, seconds, calls });
      const perSecond = opened(looks).length / seconds;
      const wanted = budget / (1 + calls);
      // How many are let pass varies by half around what is wanted, and there are at least 40 rows.
      expect(perSecond / wanted).toBeGreaterThan(0.75);
      expect(perSecond / wanted).toBeLessThan(1.25);
    }
  });

  test('those that were opened stand for all, exactly', () => {
    for (const perSecond of [300, 1_300, 20_000]) {
      const following = new Following();
      const looks = arrive(following, 0, { perSecond, seconds: 20, calls: 11 });
      following.restart();
      expect(sum(opened(looks).map(({ weight }) => weight))).toBeCloseTo(looks.length, 3);
    }
  });

  test('a row is counted for whole requests, right on average', () => {
    const following = new Following();
    const looks = arrive(following, 0, { perSecond: 5_000, seconds: 30, calls: 11 });
    following.restart();
    const counted = opened(looks).map((look) => look.times());
    expect(counted.every((times) => Number.isInteger(times) && times >= 1)).toBe(true);
    // Each is rounded by chance, with a deviation of half a request at most: seven deviations of the sum.
    expect(Math.abs(sum(counted) - looks.length)).toBeLessThan(7 * 0.5 * Math.sqrt(counted.length));
  });

  test('they come in rows, and from one to the next a random number is let pass', () => {
    const looks = arrive(new Following(), 0, { perSecond: 20_000, seconds: 80, calls: 11 });
    const rows = [...new Set(opened(looks))].slice(2);
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.slice(0, -1).every((look) => look.opened === 64)).toBe(true);
    expect(new Set(rows.map(({ passed }) => passed)).size).toBeGreaterThan(rows.length / 2);
  });

  test('a row is longer where more are under way, and its second half is compared with all that run', () => {
    const following = new Following();
    const traffic = { perSecond: 20_000, calls: 11, underWay: 100 };
    arrive(following, 0, { ...traffic, seconds: 5 });
    const compared = new Map<Look, number>();
    for (let index = 0; index < 4_000_000; index += 1) {
      const look = following.arrives(5000 + index / 20, 100);
      if (look === null) continue;
      following.ended(11);
      compared.set(look, (compared.get(look) ?? 0) + (following.compares ? 1 : 0));
    }
    const rows = [...compared].slice(1, -1);
    expect(rows.length).toBeGreaterThan(2);
    for (const [look, count] of rows) {
      expect(look.opened).toBe(400);
      expect(count).toBe(200);
    }
  });

  test('all are compared where none are let pass', () => {
    const following = new Following();
    for (let index = 0; index < 200; index += 1) {
      following.arrives(index * 20, 2);
      expect(following.compares).toBe(true);
    }
  });

  test('when the rush is over, soon all of them again', () => {
    const following = new Following();
    arrive(following, 0, { perSecond: 20_000, seconds: 10, calls: 11 });
    // Rows come every three seconds, one and a half times that at most, and that half as late at most.
    arrive(following, 10_000, { perSecond: 25, seconds: 7, calls: 11 });
    const looks = arrive(following, 17_000, { perSecond: 25, seconds: 8, calls: 11 });
    expect(opened(looks)).toHaveLength(200);
  });

  test('a window begins with a row that stands for itself, and the traffic there was is expected to go on', () => {
    const following = new Following();
    arrive(following, 0, { perSecond: 20_000, seconds: 5, calls: 11 });
    following.restart();
    const looks = arrive(following, 60_000, { perSecond: 20_000, seconds: 1, calls: 11 });
    expect(looks.slice(0, 64).every((look) => look?.settled === true && look.weight === 1)).toBe(true);
    expect(opened(looks.slice(64)).length).toBeLessThan(400);
  });

  test('an observation begins with a long row, and a shorter one where its requests do much', () => {
    for (const [calls, first] of [
      [1, 2_000],
      [1_000, 20],
    ] as const) {
      const following = new Following();
      arrive(following, 0, { perSecond: 20_000, seconds: 2, calls });
      following.begin();
      const looks = arrive(following, 2_000, { perSecond: 20_000, seconds: 1, calls });
      expect(looks[0]).toMatchObject({ opened: first, weight: 1 });
      expect(looks.filter((look) => look === null).length).toBeGreaterThan(10_000);
    }
  });
});
