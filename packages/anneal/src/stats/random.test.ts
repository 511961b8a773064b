import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { seededRandom } from './random.ts';

const draw = (seed: number, label?: string) => {
  const random = seededRandom(seed, label);
  return Array.from({ length: 20 }, () => random.next());
};

describe('seeded randomness', () => {
  test('can be drawn again from its seed', () => {
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('forks into streams of their own that do not depend on what was drawn before', () => {
    const used = seededRandom(7);
    used.next();
    const fork = used.fork('order');
    expect(Array.from({ length: 20 }, () => fork.next())).toEqual(draw(7, '/order'));
    expect(draw(7, '/order')).not.toEqual(draw(7, '/arrivals'));
  });

  test('is even: 20 cells over 100,000 draws stay within what chi-squared allows', () => {
    const random = seededRandom(3);
    const cells = Array.from({ length: 20 }, () => 0);
    for (let count = 0; count < 100_000; count += 1) cells[Math.floor(random.next() * 20)]! += 1;
    const chiSquared = cells.reduce((sum, seen) => sum + (seen - 5000) ** 2 / 5000, 0);
    // R qchisq(c(0.001, 0.999), 19): 5.41 and 43.82. Too even is as suspicious as too uneven.
    expect(chiSquared).toBeGreaterThan(5.41);
    expect(chiSquared).toBeLessThan(43.82);
  });

  test('whole numbers reach both ends and never leave them', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: -5, max: 5 }), (seed, min) => {
        const random = seededRandom(seed);
        const seen = new Set(Array.from({ length: 200 }, () => random.integer(min, min + 3)));
        expect([...seen].sort((one, other) => one - other)).toEqual([min, min + 1, min + 2, min + 3]);
      }),
    );
  });

  test('a shuffle keeps every item and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
        const before = [...items];
        const shuffled = seededRandom(seed).shuffle(items);
        expect(items).toEqual(before);
        expect([...shuffled].sort((one, other) => one - other)).toEqual([...items].sort((one, other) => one - other));
      }),
    );
  });

  test('each of the six orders of three items is as likely as the others', () => {
    const random = seededRandom(12);
    const orders = new Map<string, number>();
    for (let count = 0; count < 6000; count += 1) {
      const order = random.shuffle(['a', 'b', 'c']).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    // Five binomial standard deviations: sqrt(6000 * 1/6 * 5/6) = 29.
    for (const times of orders.values()) expect(Math.abs(times - 1000)).toBeLessThan(145);
  });
});
