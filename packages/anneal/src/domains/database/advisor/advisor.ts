import type { IndexDefinition, Planner } from '../../../ports/planner.ts';
import type { IndexBuildCost } from '../index-build-cost.ts';

/**
 * What the advisor answers. Everything here is predicted: plan costs rank, they do not measure, so each proposal says how it
 * was predicted and whether it may be taken without a trial.
 */
export interface Advice {
  readonly engine: Planner['engine'];
  readonly unit: WorkloadUnit;
  /** Of the statements that were planned, with the indexes as they are. */
  readonly costBefore: number;
  /** With all proposals, without their upkeep. */
  readonly costAfter: number;
  readonly upkeep: number;
  /** The least the workload was seen to cost, each statement with what suits it best and no budget. */
  readonly floorCost: number;
  readonly budgetBytes: number;
  readonly sizeBytes: number;
  readonly proposals: readonly IndexProposal[];
  readonly drops: readonly DropProposal[];
  /** The same question under other settings, where the server's own are doubtful for its hardware. */
  readonly otherSettings: readonly OtherSettings[];
  /** Plans the planner made for all of this. */
  readonly plans: number;
  readonly statements: { readonly planned: number; readonly writes: number };
  /** What was left out or had to be assumed; sentences for the reader. */
  readonly gaps: readonly string[];
}

/** `ms`: a statement counts with its measured time, and its plan cost says how that changes. `cost`: plan cost times calls. */
export type WorkloadUnit = 'ms' | 'cost';

export interface IndexProposal {
  readonly definition: IndexDefinition;
  /** `CREATE INDEX CONCURRENTLY ...`. */
  readonly sql: string;
  /** What the workload would cost more without this one, all others there; in the advice's unit. */
  readonly gain: number;
  readonly effects: readonly StatementEffect[];
  /** Why its keys stand in this order. */
  readonly reason: string;
  readonly sizeBytes: number;
  /** Null where the table was never analysed. */
  readonly build: IndexBuildCost | null;
  readonly upkeep: ProposalUpkeep;
  /** `needs-trial`: it brings a change of plan that plan costs are known to misjudge. */
  readonly acceptance: 'predicted' | 'needs-trial';
  readonly risks: readonly string[];
  readonly assumptions: readonly string[];
}

export interface ProposalUpkeep {
  /** In the advice's unit, for the writes of the window. */
  readonly cost: number;
  readonly walBytes: number;
  readonly walBytesPerRow: number;
  readonly rows: number;
  readonly lostHeapOnlyRows: number;
}

/** One statement with and without the proposal, all other proposals there. */
export interface StatementEffect {
  readonly statementId: string;
  readonly text: string;
  readonly calls: number;
  /** Planner's units, one execution. */
  readonly costWithout: number;
  readonly costWith: number;
  /** In the advice's unit, all calls; negative where the statement loses. */
  readonly gain: number;
}

export interface DropProposal {
  readonly schema: string;
  readonly name: string;
  readonly table: string;
  readonly definition: string;
  readonly why: 'invalid' | 'duplicate' | 'redundant-prefix' | 'unused';
  /** Sentences: what was seen, and over which window. */
  readonly evidence: readonly string[];
  readonly sizeBytes: number;
  /** What the workload would cost more without it, by the planner; null where the engine cannot hide an index. */
  readonly loss: number | null;
  readonly sql: string;
}

export interface OtherSettings {
  readonly settings: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly costBefore: number;
  readonly costAfter: number;
  readonly added: readonly IndexDefinition[];
  readonly removed: readonly IndexDefinition[];
}

export interface AdviceOptions {
  /** For all proposals together; default: a tenth of the tables, at least 100 MB. */
  readonly budgetBytes?: number;
  /** Columns of an index, payload included; 3 unless given. */
  readonly width?: number;
  /** The planner is asked for at most so many plans. */
  readonly plans?: number;
  readonly thresholdShare?: number;
  readonly seed?: number;
}
