import type { Measurement } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';

export interface TouchedStatements {
  /** Statements whose plan the index can change. */
  readonly readers: readonly StatementObservation[];
  /** Statements that have to keep it up to date. */
  readonly writers: readonly StatementObservation[];
}

/**
 * What an index can touch: statements that filter, join or sort by one of its columns, or aggregate the
 * table (any B-tree may serve a count by an index-only scan, which GIN never can), or do not parse; and
 * whatever inserts, updates or deletes rows.
 */
export function touchedStatements(index: IndexDefinition, measurement: Measurement): TouchedStatements {
  const statements = (measurement.observations['postgres.statements'] ?? []).filter((statement) => namesTable(statement, index));
  return {
    readers: statements.filter((statement) => readsThrough(statement, index)),
    writers: statements.filter(({ kind }) => kind === 'insert' || kind === 'update' || kind === 'delete'),
  };
}

function namesTable(statement: StatementObservation, index: IndexDefinition): boolean {
  return statement.tables.some((name) => name === index.table || name === `${index.schema}.${index.table}`);
}

function readsThrough({ shape }: StatementObservation, index: IndexDefinition): boolean {
  if (shape === null || (shape.aggregates && index.method !== 'gin')) return true;
  const expressions = [
    ...shape.predicates.flatMap(({ column, expression }) => [column ?? '', expression]),
    ...shape.joins.flatMap(({ left, right }) => [left.column, right.column]),
    ...shape.orderBy.map(({ expression }) => expression),
  ];
  return expressions.some((expression) => expression !== '' && holds(index, expression));
}

/** Whether a key or the predicate of the index mentions the name, as a whole word. */
function holds(index: IndexDefinition, expression: string): boolean {
  const words = new Set([...index.keys, index.predicate ?? ''].flatMap((text) => text.split(/[^\p{L}\p{N}_$]+/u)));
  return expression.split(/[^\p{L}\p{N}_$]+/u).some((word) => word !== '' && words.has(word));
}
