import type { Finding, RuleId } from '../finding/finding.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { CodeLocation } from '../measurement/observations.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Json } from '../remedy/remedy.ts';
import type { Edit, SourceFile } from './source-file.ts';

/**
 * Writes the lasting form of a fix into the source, where the pattern is mechanical. A codemod that is not sure that the
 * changed code does the same says why not: its patch has a trial of its own, and a person reads it.
 */
export interface Codemod {
  readonly id: RuleId;
  readonly title: string;
  readonly addresses: readonly RuleId[];
  /** The edits, or a sentence without a full stop that says what it could not make sure of. Pure. */
  write(source: SourceFile, at: CodeLocation, context: CodemodContext): readonly Edit[] | string;
  /**
   * What the trial of its patch is decided by. Left out where that is what the policy of the same finding is judged by,
   * else the time of the finding's route, else CPU time. Pure.
   */
  judgedBy?(finding: Finding, measurement: Measurement): Judgement;
}

/** A metric; or, as a sentence without a full stop, why no trial under the same traffic can show what the patch is worth. */
export type Judgement = { readonly metric: MetricId } | { readonly unprovable: string };

export interface CodemodContext {
  readonly finding: Finding;
  /** Of the remedy that was planned for the finding; null where there is none. */
  readonly plan: Json | null;
}
