import { poissonRateInterval } from '../stats/poisson.ts';

/**
 * What of a cost is certain when its cause was seen `count` times in the window. A statement that
 * ran once proves that it can run, not that it runs at a rate: the 95 % interval of the expected
 * count after one event is 0.025 to 5.6 (Garwood), so only a fortieth of its cost is certain. After
 * a hundred events it is four fifths. Counts that are estimates are rounded down.
 */
export function certainShare(share: number, count: number): number {
  const seen = Math.floor(count);
  return seen <= 0 ? 0 : (share * poissonRateInterval(seen, 0.95).lower) / seen;
}
