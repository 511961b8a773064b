import type { PredicateShape } from '../../../ports/sql-parser.ts';
import type { PlanScan } from './plan-scans.ts';

/**
 * Whether a LIKE pattern begins with literal text: told by the text's own constant, else by the
 * pattern that EXPLAIN was given (masked but for its ends); null for a generic plan.
 */
export function anchoredPattern({ constant }: PredicateShape, scans: readonly PlanScan[]): boolean | null {
  if (constant !== null) return /^'[^%_]/.test(constant);
  const patterns = scans.flatMap(({ node }) => [...(node.Filter ?? '').matchAll(/ ~~ '(%?)/g)]);
  return patterns.length === 0 ? null : patterns.every(([, wildcard]) => wildcard === '');
}
