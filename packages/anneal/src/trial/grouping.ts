import type { Touched } from '../remedy/remedy.ts';

/**
 * Trials that share nothing may share their slices: each is judged by the time of its own
 * statements, which the others cannot have changed. Two indexes on one written table are not
 * apart, since both are paid for by the same writes.
 *
 * Changes to the database come first: a policy is judged by waiting, and slow statements make much of that.
 */
export function shareable<T extends { readonly touched: Touched; readonly scope: 'database' | 'process' }>(
  changes: readonly T[],
): readonly (readonly T[])[] {
  const groups: T[][] = [];
  const inOrder = changes.toSorted((left, right) => Number(left.scope === 'process') - Number(right.scope === 'process'));
  for (const change of inOrder) {
    const home = change.scope === 'database' ? groups.find((group) => group.every((other) => areApart(other, change))) : undefined;
    if (home === undefined) groups.push([change]);
    else home.push(change);
  }
  return groups;
}

/** A policy changes the whole process, so it is apart from nothing. */
function areApart(
  left: { readonly touched: Touched; readonly scope: 'database' | 'process' },
  right: { readonly touched: Touched; readonly scope: 'database' | 'process' },
): boolean {
  if (left.scope === 'process' || right.scope === 'process') return false;
  return !share(left.touched.statementIds, right.touched.statementIds) && !share(left.touched.writtenTables, right.touched.writtenTables);
}

function share(left: readonly string[], right: readonly string[]): boolean {
  return left.some((item) => right.includes(item));
}
