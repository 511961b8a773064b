import { scalarText } from './parameters.ts';

/** Rows one statement of a request received, in the order of the request's events. */
export interface EarlierResult<Statement> {
  readonly sequence: number;
  readonly statement: Statement;
  readonly rows: readonly unknown[];
}

/** Fewer distinct values than this are in a column by chance too often (small integers are everywhere). */
export const fewestValues = 3;

/**
 * The statement whose result held the parameters of repeated calls: some parameter changes from call
 * to call and all its values stand in one column of an earlier result. A column that holds them in
 * the order of the calls wins (a loop over rows); then the latest result.
 */
export function parentOf<Statement>(
  calls: readonly (readonly unknown[])[],
  firstCallSequence: number,
  results: readonly EarlierResult<Statement>[],
): Statement | null {
  let unordered: Statement | null = null;
  const loops = changingParameters(calls);
  for (let index = results.length - 1; index >= 0; index -= 1) {
    const result = results[index]!;
    if (result.sequence >= firstCallSequence) continue;
    for (const values of loops) {
      const match = matchIn(result.rows, values);
      if (match === 'in order') return result.statement;
      if (match === 'present') unordered ??= result.statement;
    }
  }
  return unordered;
}

function changingParameters(calls: readonly (readonly unknown[])[]): readonly (readonly string[])[] {
  if (calls.length < fewestValues) return [];
  const parameters = Math.min(...calls.map((values) => values.length));
  const changing: string[][] = [];
  for (let position = 0; position < parameters; position += 1) {
    const texts = calls.map((values) => scalarText(values[position])).filter((text) => text !== null);
    if (new Set(texts).size >= fewestValues) changing.push(texts);
  }
  return changing;
}

function matchIn(rows: readonly unknown[], values: readonly string[]): 'in order' | 'present' | 'absent' {
  const first = rows[0];
  if (typeof first !== 'object' || first === null) return 'absent';
  let best: 'present' | 'absent' = 'absent';
  for (const column of Object.keys(first)) {
    const positions = positionsOf(rows, column, values);
    if (positions === null) continue;
    if (positions.every((position, index) => index === 0 || position > positions[index - 1]!)) return 'in order';
    best = 'present';
  }
  return best;
}

/** Where each value stands in the column; null when one is missing. Rows are objects, or arrays in pg's array mode. */
function positionsOf(rows: readonly unknown[], column: string, values: readonly string[]): readonly number[] | null {
  const places = new Map<string, number>();
  rows.forEach((row, index) => {
    const text = scalarText((row as Readonly<Record<string, unknown>>)[column]);
    if (text !== null && !places.has(text)) places.set(text, index);
  });
  const positions: number[] = [];
  for (const value of values) {
    const place = places.get(value);
    if (place === undefined) return null;
    positions.push(place);
  }
  return positions;
}
