import type { Finding, RuleId } from '../finding/finding.ts';
import type { CodeLocation } from '../measurement/observations.ts';
import type { Json } from '../remedy/remedy.ts';
import type { Edit, SourceFile } from './source-file.ts';

/**
 * Writes the lasting form of a fix into the source, where the pattern is mechanical. A codemod that is not sure that the
 * changed code does the same says why not: a person reads its patch, and `anneal try --patch` proves it.
 */
export interface Codemod {
  readonly id: RuleId;
  readonly title: string;
  readonly addresses: readonly RuleId[];
  /** The edits, or a sentence without a full stop that says what it could not make sure of. Pure. */
  write(source: SourceFile, at: CodeLocation, context: CodemodContext): readonly Edit[] | string;
}

export interface CodemodContext {
  readonly finding: Finding;
  /** Of the remedy that was planned for the finding; null where there is none. */
  readonly plan: Json | null;
}
