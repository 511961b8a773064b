/** What the agent uses of a `pg.Result`. */
export interface ResultLike {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly fields: readonly object[];
}

/**
 * Rows belong to whoever receives them, to change as they like: each receiver gets his own. Null where a value is of a
 * kind that cannot be made twice for certain (a type parser of the application's own made it).
 */
export function copyResult<Result extends ResultLike>(result: Result): Result | null {
  const rows: Record<string, unknown>[] = [];
  for (const row of result.rows) {
    const copy: Record<string, unknown> = {};
    for (const name of Object.keys(row)) {
      const value = copyValue(row[name]);
      if (value === notCopied) return null;
      copy[name] = value;
    }
    rows.push(copy);
  }
  const fields = result.fields.map((field) => Object.assign(Object.create(Object.getPrototypeOf(field) as object) as object, field));
  return Object.assign(Object.create(Object.getPrototypeOf(result) as object) as Result, result, { rows, fields });
}

const notCopied = Symbol('not copied');

function copyValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? notCopied : value;
  if (value instanceof Date) return new Date(value);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) {
    const items = value.map(copyValue);
    return items.includes(notCopied) ? notCopied : items;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return notCopied;
  const entries = Object.entries(value).map(([name, inner]) => [name, copyValue(inner)] as const);
  return entries.some(([, inner]) => inner === notCopied) ? notCopied : Object.fromEntries(entries);
}

/** About what a result takes in memory. */
export function resultBytes({ rows, fields }: ResultLike): number {
  return (
    400 +
    200 * fields.length +
    rows.reduce((sum, row) => sum + 64 + Object.values(row).reduce((all: number, value) => all + valueBytes(value), 0), 0)
  );
}

function valueBytes(value: unknown): number {
  if (typeof value === 'string') return 24 + 2 * value.length;
  if (Buffer.isBuffer(value)) return 100 + value.length;
  if (typeof value === 'object' && value !== null) return Object.values(value).reduce((sum: number, inner) => sum + valueBytes(inner), 48);
  return 16;
}

/** Null for parameters that two calls cannot be compared by. */
export function parametersKey(values: readonly unknown[] | undefined): string | null {
  let key = '';
  for (const value of values ?? []) {
    if (value === null || value === undefined) key += '\0n';
    else if (value instanceof Date) key += `\0d${value.getTime()}`;
    else if (typeof value === 'string') key += `\0s${value.length}:${value}`;
    else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') key += `\0${typeof value}${value}`;
    else return null;
  }
  return key;
}
