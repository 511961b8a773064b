import { gammaShareBelow } from './gamma.ts';
import { invertIncreasing } from './invert.ts';

/**
 * What a count says about its expectation: the exact two-sided interval of the mean number of events
 * per window after `count` were seen in one (Garwood, Biometrika 28, 1936). Divide by the window for
 * a rate. Seeing nothing still leaves an upper end: 3.69 events at 95 %.
 */
export function poissonRateInterval(count: number, confidenceLevel: number): { readonly lower: number; readonly upper: number } {
  if (!Number.isInteger(count) || count < 0) throw new RangeError(`a count is a whole number from 0, not ${count}`);
  const tail = (1 - confidenceLevel) / 2;
  // P(at least n events | mean) is the gamma share below the mean, so both ends are gamma quantiles.
  return {
    lower: count === 0 ? 0 : gammaQuantile(count, tail),
    upper: gammaQuantile(count + 1, 1 - tail),
  };
}

function gammaQuantile(shape: number, share: number): number {
  // Mean plus forty standard deviations and forty means of an exponential: beyond any share a double can tell from 1.
  return invertIncreasing((x) => gammaShareBelow(shape, x), share, 0, shape + 40 * Math.sqrt(shape) + 40);
}
