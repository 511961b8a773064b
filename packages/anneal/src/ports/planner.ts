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
  /**
   * How the answer is made: `hypopg`, `built` (the index is really built on a scratch copy), or `shadow` (from a
   * snapshot, with no database at all).
   */
  readonly engine: 'hypopg' | 'built' | 'shadow';
  whatIf(statements: readonly StatementSample[], indexes: readonly IndexDefinition[], imagined?: ImaginedSettings): Promise<WhatIf>;
}

export interface ImaginedSettings {
  /** Planner settings that are different, e.g. `{ random_page_cost: '1.1' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** What the planner must know of an index that does not exist. */
export interface IndexSize {
  /** Length of its file in pages of the server's block size. */
  readonly pages: number;
  /** Levels above the leaves of a B-tree: 0 where the root is a leaf. Not read for other methods. */
  readonly height: number;
  /** Entries: all rows of the table, or those that fit a partial index's predicate. */
  readonly rows: number;
}

/** Nothing of a shadow is real, so more than new indexes can be imagined. */
export interface Imagined extends ImaginedSettings {
  /** Existing indexes that are not there. */
  readonly hidden?: readonly { readonly schema: string; readonly name: string }[];
}

/** A planner of a database that is not there. */
export interface ShadowPlanner extends Planner {
  readonly engine: 'shadow';
  /** What of the snapshot could not be carried over, and why; sentences for the reader. */
  readonly gaps: readonly string[];
  whatIf(statements: readonly StatementSample[], indexes: readonly IndexDefinition[], imagined?: Imagined): Promise<WhatIf>;
  /** Why a statement has no plan or an index cannot be imagined: PostgreSQL's own message; null where it can. */
  whyNot(asked: { readonly statement: StatementSample } | { readonly index: IndexDefinition }): Promise<string | null>;
}
