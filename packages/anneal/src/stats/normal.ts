import { gammaShareBelow } from './gamma.ts';
import { invertIncreasing } from './invert.ts';

/** Share of the standard normal distribution below `z` (R: `pnorm(z)`). */
export function normalShareBelow(z: number): number {
  const within = gammaShareBelow(0.5, (z * z) / 2);
  return z < 0 ? (1 - within) / 2 : (1 + within) / 2;
}

/** The point below which `share` of the standard normal distribution lies (R: `qnorm(share)`). */
export function normalQuantile(share: number): number {
  if (!(share > 0 && share < 1)) throw new RangeError(`a quantile needs a share between 0 and 1, not ${share}`);
  if (share > 0.5) return -normalQuantile(1 - share);
  return invertIncreasing(normalShareBelow, share, -40, 0);
}
