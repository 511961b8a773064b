/**
 * Natural logarithm of the gamma function for positive arguments, by Lanczos' approximation with
 * g = 7 and nine terms (Press et al., Numerical Recipes, section 6.1); about 15 digits.
 */
export function logGamma(x: number): number {
  const shifted = x - 1;
  const series = lanczos.reduce((sum, coefficient, index) => sum + (index === 0 ? coefficient : coefficient / (shifted + index)), 0);
  const base = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(series);
}

const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/**
 * P(a, x), the share of a gamma distribution of shape `a` that lies below `x` (R: `pgamma(x, a)`).
 * Series left of the mean, continued fraction right of it (Numerical Recipes, section 6.2), so that
 * neither subtracts nearly equal numbers.
 */
export function gammaShareBelow(shape: number, x: number): number {
  if (x <= 0) return 0;
  const front = Math.exp(shape * Math.log(x) - x - logGamma(shape));
  return x < shape + 1 ? front * lowerSeries(shape, x) : 1 - front * upperFraction(shape, x);
}

function lowerSeries(shape: number, x: number): number {
  let term = 1 / shape;
  let sum = term;
  for (let step = 1; term > sum * Number.EPSILON; step += 1) {
    term *= x / (shape + step);
    sum += term;
  }
  return sum;
}

/** Lentz's method; every denominator here is positive, so it needs no guard against zero. */
function upperFraction(shape: number, x: number): number {
  let b = x + 1 - shape;
  let d = 1 / b;
  let c = Number.MAX_VALUE;
  let fraction = d;
  for (let step = 1; ; step += 1) {
    const a = step * (shape - step);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) <= Number.EPSILON) return fraction;
  }
}
