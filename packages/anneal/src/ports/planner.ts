/** "What would the database do, and at what cost, if these indexes existed?" */

export interface IndexDefinition {
  readonly schema: string;
  readonly table: string;
  /** SQL key expressions in order, e.g. `post_id`, `created_at DESC`, `lower(email)`, `body gin_trgm_ops`. */
  readonly keys: readonly string[];
  readonly method: 'btree' | 'gin' | 'gist' | 'hash' | 'brin';
  /** Payload columns (`INCLUDE`). */
  readonly include: readonly string[];
  /** `WHERE` of a partial index, or null. */
  readonly predicate: string | null;
}

export interface StatementSample {
  /** The text as the application sends it, with `$n`. */
  readonly text: string;
  /** Values seen with it; null when none was captured (then a generic plan is used). */
  readonly values: readonly unknown[] | null;
}

/** A node of `EXPLAIN (FORMAT JSON)`, PostgreSQL's own property names. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Startup Cost': number;
  readonly 'Total Cost': number;
  readonly 'Plan Rows': number;
  readonly 'Plan Width': number;
  readonly 'Relation Name'?: string;
  readonly Schema?: string;
  readonly Alias?: string;
  readonly 'Index Name'?: string;
  readonly Filter?: string;
  readonly 'Index Cond'?: string;
  readonly 'Recheck Cond'?: string;
  readonly 'Sort Key'?: readonly string[];
  readonly 'Parent Relationship'?: string;
  readonly Plans?: readonly PlanNode[];
}

export interface StatementPlan {
  readonly root: PlanNode;
  readonly totalCost: number;
  readonly generic: boolean;
}

export interface PlannedIndex {
  readonly definition: IndexDefinition;
  /** Null when the engine cannot know it. */
  readonly sizeBytes: number | null;
  readonly buildMs: number | null;
}

export interface WhatIf {
  /** One plan per statement, in order; null where the statement cannot be planned. */
  readonly plans: readonly (StatementPlan | null)[];
  /** For each index, in order. */
  readonly indexes: readonly PlannedIndex[];
  /** For each statement, positions in `indexes` that its plan uses. */
  readonly uses: readonly (readonly number[])[];
}

export interface Planner extends AsyncDisposable {
  /** How the answer is made: `hypopg`, or `built` (the index is really built on a scratch copy). */
  readonly engine: 'hypopg' | 'built';
  whatIf(statements: readonly StatementSample[], indexes: readonly IndexDefinition[]): Promise<WhatIf>;
}
