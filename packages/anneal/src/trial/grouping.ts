import type { TriedChange } from './planned-change.ts';

type Scoped = Pick<TriedChange, 'touched' | 'scope'>;

/**
 * Trials that share nothing may share their slices: each is judged by the time of its own
 * statements, which the others cannot have changed. Two indexes on one written table are not
 * apart, since both are paid for by the same writes.
 *
 * Changes to the database come first: a policy is judged by waiting, and slow statements make much of that.
 */
export function shareable<T extends Scoped>(changes: readonly T[]): readonly (readonly T[])[] {
  const groups: T[][] = [];
  const inOrder = changes.toSorted((left, right) => Number(left.scope !== 'database') - Number(right.scope !== 'database'));
  for (const change of inOrder) {
    const home = change.scope === 'database' ? groups.find((group) => group.every((other) => areApart(other, change))) : undefined;
    if (home === undefined) groups.push([change]);
    else home.push(change);
  }
  return groups;
}

/** What changes the whole process is apart from nothing, and so is what may touch anything. */
function areApart(left: Scoped, right: Scoped): boolean {
  if (left.scope !== 'database' || right.scope !== 'database') return false;
  if (left.touched === null || right.touched === null) return false;
  return !share(left.touched.statementIds, right.touched.statementIds) && !share(left.touched.writtenTables, right.touched.writtenTables);
}

function share(left: readonly string[], right: readonly string[]): boolean {
  return left.some((item) => right.includes(item));
}
