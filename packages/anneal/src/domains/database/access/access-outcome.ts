import type { ForeignKeyObservation, Observations, StatementObservation, TableObservation } from '../../../measurement/observations.ts';
import type { StatementPlan } from '../../../ports/planner.ts';
import type { IndexCandidate } from '../index-candidates.ts';
import type { PlanPage } from './plan-scans.ts';

/** What the rules about access paths read. */
export const accessCapabilities = [
  'postgres.statements',
  'postgres.plans',
  'postgres.tables',
  'postgres.indexes',
  'postgres.columns',
  'postgres.foreign-keys',
  'postgres.settings',
] as const;
export type AccessObservations = Pick<Observations, (typeof accessCapabilities)[number]>;

export type AccessRule =
  | 'missing-foreign-key-index'
  | 'missing-index'
  | 'missing-sort-index'
  | 'missing-expression-index'
  | 'unindexed-json-containment'
  | 'unindexed-text-search'
  | 'deep-offset';

/** Why a statement reads more than it must: exactly one reason each. */
export interface AccessCause {
  readonly rule: AccessRule;
  readonly statement: StatementObservation;
  readonly plan: StatementPlan;
  readonly table: TableObservation;
  readonly columns: readonly string[];
  /** The index that would help; null where only the query can change. */
  readonly candidate: IndexCandidate | null;
  /** Rows one execution reads to give `rowsKept`. */
  readonly rowsRead: number;
  readonly rowsKept: number;
  /** Whether `rowsKept` is what calls brought; else it is the planner's estimate. */
  readonly rowsKeptMeasured: boolean;
  /** Plan cost of reading as it is done now, and as it could be done. */
  readonly cost: number;
  readonly betterCost: number;
  /** Of the statement's plan cost, 0-1. */
  readonly costShare: number;
  readonly page: PlanPage | null;
  /** The reference that is followed, where the columns are a foreign key. */
  readonly foreignKey: ForeignKeyObservation | null;
}

export interface AccessSilence {
  readonly rule: AccessRule;
  readonly statement: StatementObservation;
  readonly silent: string;
}

export type AccessOutcome = AccessCause | AccessSilence;
