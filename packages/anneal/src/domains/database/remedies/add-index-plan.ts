import type { IndexDefinition } from '../../../ports/planner.ts';

/** All that `apply`, `inspect` and `revert` need, as data: a process that finds it in the ledger can undo it. */
export type AddIndexPlan = {
  readonly index: Pick<IndexDefinition, keyof IndexDefinition>;
  readonly name: string;
  /** The statements whose plan it changes, as far as a planner could be asked, in order: two findings that one index answers have equal plans. */
  readonly statementIds: readonly string[];
  readonly extension: 'pg_trgm' | null;
  /** Somebody else's installation: never removed. */
  readonly extensionWasPresent: boolean;
};
