import { invertIncreasing } from './invert.ts';
import { normalQuantile, normalShareBelow } from './normal.ts';

/**
 * The level each look must be tested at so that looking at all of them calls equal things different
 * with at most `overallLevel` chance: Pocock's constant boundary (Biometrika 64, 1977) for looks after
 * any increasing numbers of rounds.
 *
 * @returns the two-sided nominal level of every look
 */
export function nominalLevelOf(looks: readonly number[], overallLevel: number): number {
  const boundary = -invertIncreasing(
    (negated) => crossingChance(looks, -negated),
    overallLevel,
    -8,
    -normalQuantile(0.5 + overallLevel / 4),
  );
  return 2 * normalShareBelow(-boundary);
}

/**
 * Chance that the standardised sum of a fair walk leaves +-boundary at any look, by Armitage,
 * McPherson and Rowe's recursion (Journal of the Royal Statistical Society A 132, 1969): the density
 * of walks still inside is carried from look to look, the integrals by Simpson's rule.
 */
export function crossingChance(looks: readonly number[], boundary: number): number {
  let rounds = 0;
  let inside: readonly Mass[] = [{ at: 0, mass: 1 }];
  for (const look of looks) {
    const deviation = Math.sqrt(look - rounds);
    const limit = boundary * Math.sqrt(look);
    inside = simpsonNodes(limit).map(({ at, mass: width }) => {
      let density = 0;
      for (const from of inside) density += from.mass * Math.exp(-(((at - from.at) / deviation) ** 2) / 2);
      return { at, mass: (width * density) / (deviation * Math.sqrt(2 * Math.PI)) };
    });
    rounds = look;
  }
  return 1 - inside.reduce((sum, { mass }) => sum + mass, 0);
}

interface Mass {
  readonly at: number;
  readonly mass: number;
}

/** Nodes and weights on [-limit, limit]. 160 intervals: the fifth digit no longer changes with more. */
function simpsonNodes(limit: number): readonly Mass[] {
  const intervals = 160;
  const step = (2 * limit) / intervals;
  return Array.from({ length: intervals + 1 }, (_, index) => {
    const weight = index === 0 || index === intervals ? 1 : index % 2 === 1 ? 4 : 2;
    return { at: -limit + index * step, mass: (weight * step) / 3 };
  });
}
