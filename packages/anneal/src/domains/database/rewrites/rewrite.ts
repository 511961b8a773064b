import type { Query } from '../../../ports/sql-tree.ts';
import type { SchemaFacts } from '../index-candidates.ts';

/**
 * Another form of a statement that gives the same rows, proven from SQL's own rules and the catalogue. `null`: the
 * form it looks for is not there. `refused`: it is there, and a sentence says why it cannot be rewritten safely.
 */
export type Rewriter = (query: Query, facts: SchemaFacts) => Rewritten | Refused | null;

export interface Rewritten {
  readonly query: Query;
  /** Why it gives the same answer, as a sentence. */
  readonly because: string;
}

export interface Refused {
  readonly refused: string;
}
