import type { ShownObservation } from './observations.ts';

/** Comparisons of one statement's results with their answers, added up; null where there was none. */
export function mergeShown(parts: readonly (ShownObservation | null)[]): ShownObservation | null {
  const known = parts.filter((part) => part !== null);
  if (known.length === 0) return null;
  const sum = (figure: (part: ShownObservation) => number) => known.reduce((total, part) => total + figure(part), 0);
  const columns = Map.groupBy(
    known.flatMap((part) => part.columns),
    ({ name }) => name,
  );
  return {
    comparisons: sum((part) => part.comparisons),
    rows: sum((part) => part.rows),
    shownRows: sum((part) => part.shownRows),
    columns: [...columns].map(([name, same]) => ({
      name,
      sizeBytes: same.reduce((total, column) => total + column.sizeBytes, 0),
      shown: same.reduce((total, column) => total + column.shown, 0),
    })),
  };
}
