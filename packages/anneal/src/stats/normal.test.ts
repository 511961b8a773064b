import { describe, expect, test } from 'vitest';
import { normalQuantile, normalShareBelow } from './normal.ts';

describe('the normal distribution', () => {
  test.each([
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.9929, 2.4521638140532898],
    [0.5, 0],
    [0.0001, -3.7190164854556804],
  ])('R qnorm(%d) is %d', (share, z) => {
    expect(normalQuantile(share)).toBeCloseTo(z, 9);
    expect(normalShareBelow(z)).toBeCloseTo(share, 12);
  });

  test('no quantile belongs to a share of 0 or 1', () => {
    expect(() => normalQuantile(0)).toThrow(RangeError);
    expect(() => normalQuantile(1)).toThrow(RangeError);
  });
});
