import type { IndexHealthObservation } from '../../../measurement/database-health.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';

/** What is enforced, replicated or ordered by an index is lost with it: such a one is never proposed for dropping. */
export function isDroppable(index: IndexHealthObservation): boolean {
  return index.constraint === null && !index.isPrimary && !index.isReplicaIdentity && !index.isClustered && !index.isPart;
}

/** An index over partitions can be neither dropped nor built concurrently (manual, DROP INDEX and CREATE INDEX). */
export function dropSql(index: IndexHealthObservation): string {
  return `DROP INDEX ${index.isPartitioned ? '' : 'CONCURRENTLY '}${qualifiedName(index.schema, index.name)};`;
}

export function createSql(index: IndexHealthObservation): string {
  return `${index.isPartitioned ? index.definition : index.definition.replace(/^CREATE (UNIQUE )?INDEX /, 'CREATE $1INDEX CONCURRENTLY ')};`;
}

/** Rows one after another, however wide the index: what a drop gives back in writes is an entry per row written. */
export function entriesWritten({
  inserts,
  updates,
  hotUpdates,
}: {
  readonly inserts: number;
  readonly updates: number;
  readonly hotUpdates: number;
}): number {
  return inserts + Math.max(updates - hotUpdates, 0);
}

/** All that decides what an index can answer. */
function sameness({ schema, table, method, keys, include, predicate, nullsNotDistinct }: IndexHealthObservation): string {
  const answered = keys.map(({ expression, behaviour }) => [expression, behaviour]);
  return JSON.stringify([schema, table, method, answered, include.toSorted(), predicate, nullsNotDistinct]);
}

/** How much hangs on it: the one with most stays. */
function standing({ isPrimary, constraint, isReplicaIdentity, isClustered, isUnique }: IndexHealthObservation): number {
  return (isPrimary ? 16 : 0) + (constraint === null ? 0 : 8) + (isReplicaIdentity ? 4 : 0) + (isClustered ? 2 : 0) + (isUnique ? 1 : 0);
}

/** Valid indexes that answer the same, the one to keep first. Those of partitions go with their table's. */
export function twins(indexes: readonly IndexHealthObservation[]): readonly (readonly IndexHealthObservation[])[] {
  const usable = indexes.filter(({ isValid, isPart }) => isValid && !isPart);
  return [...Map.groupBy(usable, sameness).values()].map((group) =>
    group.toSorted((one, other) => standing(other) - standing(one) || other.scans - one.scans),
  );
}

export function isSameKey(one: IndexHealthObservation['keys'][number], other: IndexHealthObservation['keys'][number]): boolean {
  return one.expression === other.expression && one.behaviour === other.behaviour;
}
