import type { DatabaseSnapshot, SnapshotStatement } from '../../../ports/database-snapshot.ts';
import type { StatementSample } from '../../../ports/planner.ts';
import type { SqlParser, StatementShape } from '../../../ports/sql-parser.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { readsOf, type TableReads } from './statement-candidates.ts';
import type { WorkloadWrite } from './write-cost.ts';

/** A statement whose plan an index could change. */
export interface AdvisedStatement {
  readonly id: string;
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly samples: readonly StatementSample[];
  readonly shape: StatementShape;
  readonly facts: SchemaFacts;
  readonly reads: readonly TableReads[];
}

export interface AdvisedWorkload {
  readonly statements: readonly AdvisedStatement[];
  readonly writes: readonly WorkloadWrite[];
  readonly gaps: readonly string[];
}

/** Each plan costs a millisecond or more and the search asks some 50 of each statement: beyond these, time is in the tail. */
const mostStatements = 200;
/** Of the workload's time; what is left cannot change which index is worth most. */
const coveredShare = 0.99;
const mostSamples = 3;

/** The statements that matter, dearest first, and every write. */
export function adviseWorkload(
  snapshot: DatabaseSnapshot,
  parser: SqlParser,
  factsFor: (shape: StatementShape) => SchemaFacts,
): AdvisedWorkload {
  const gaps: string[] = [];
  const parsed = snapshot.statements.map((statement) => ({ statement, shape: parser.shape(statement.text) }));
  const unknown = parsed.filter(({ shape }) => shape === null).length;
  if (unknown > 0) gaps.push(`${unknown} statement(s) do not parse and count neither as reads nor as writes`);
  const known = parsed.filter((each): each is { statement: SnapshotStatement; shape: StatementShape } => each.shape !== null);
  const writes = known.filter(({ shape }) => shape.kind === 'insert' || shape.kind === 'update' || shape.kind === 'delete');
  const foreign: string[] = [];
  const advised = known
    .filter(({ shape }) => shape.kind === 'select' || shape.kind === 'update' || shape.kind === 'delete')
    .map(({ statement, shape }) => {
      const facts = factsFor(shape);
      return { statement, shape, facts, reads: readsOf(shape, facts) };
    })
    .filter(({ reads, statement }) => reads.length > 0 || !foreign.push(statement.id));
  if (foreign.length > 0)
    gaps.push(`${foreign.length} statement(s) name no table of the snapshot (a view, a function), so no index is sought for them`);
  const kept = dearest(advised);
  if (kept.length < advised.length) {
    gaps.push(`of ${advised.length} statements the ${kept.length} dearest were planned`);
  }
  const generic = kept.filter(({ statement }) => samplesOf(statement).some(({ values }) => values === null)).length;
  if (generic > 0) gaps.push(`${generic} statement(s) have no captured values: their plans are generic, for values nobody saw`);
  return {
    statements: kept.map(({ statement: { id, text, calls, totalMs, samples }, ...rest }) => ({
      id,
      text,
      calls,
      totalMs,
      samples: samplesOf({ text, samples }),
      ...rest,
    })),
    writes: writes.map(({ statement: { rows }, shape }) => ({ shape, rows })),
    gaps,
  };
}

function dearest<Each extends { readonly statement: SnapshotStatement }>(statements: readonly Each[]): readonly Each[] {
  const isTimed = statements.every(({ statement: { totalMs } }) => totalMs > 0);
  // Without times nothing says that a rare statement is a cheap one.
  if (!isTimed) return statements.toSorted((a, b) => b.statement.calls - a.statement.calls).slice(0, mostStatements);
  const sorted = statements.toSorted((a, b) => b.statement.totalMs - a.statement.totalMs);
  const enough = coveredShare * sorted.reduce((sum, { statement: { totalMs } }) => sum + totalMs, 0);
  let covered = 0;
  const kept = sorted.filter(({ statement: { totalMs } }) => {
    const isNeeded = covered < enough;
    covered += totalMs;
    return isNeeded;
  });
  return kept.slice(0, mostStatements);
}

/** Never NULL and never an altered literal: without captured values the plan is generic. */
function samplesOf({ text, samples }: Pick<SnapshotStatement, 'text' | 'samples'>): readonly StatementSample[] {
  if (samples.length > 0) return samples.slice(0, mostSamples).map((values) => ({ text, values }));
  return [{ text, values: /\$\d/u.test(text) ? null : [] }];
}
