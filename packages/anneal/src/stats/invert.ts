/**
 * The argument at which an increasing function reaches `target`, found by bisection between `low` and
 * `high` down to the last bit. Slower than Newton's method and unable to miss: quantiles are asked
 * for a few times per report.
 */
export function invertIncreasing(increasing: (argument: number) => number, target: number, low: number, high: number): number {
  let below = low;
  let above = high;
  for (;;) {
    const middle = below + (above - below) / 2;
    if (middle <= below || middle >= above) return middle;
    if (increasing(middle) < target) below = middle;
    else above = middle;
  }
}
