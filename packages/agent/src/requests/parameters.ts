/** The value alone never equals another one: what cannot be compared cheaply is never called a duplicate. */
let incomparable = 0;

/**
 * A key that two calls share exactly when the driver would send the same parameters. pg sends 5 and
 * '5' alike; objects other than dates and arrays are not compared.
 */
export function parameterKey(values: readonly unknown[] | undefined): string {
  if (values === undefined || values.length === 0) return '';
  if (values.length === 1) return valueKey(values[0]);
  let key = '';
  for (const value of values) {
    const part = valueKey(value);
    key += `${part.length}:${part}`;
  }
  return key;
}

/** What PostgreSQL would read, as text; null for values that have no scalar text. */
export function scalarText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return value instanceof Date ? String(value.getTime()) : null;
  }
}

const longestValueLength = 4096;
const mostParameters = 1000;

/**
 * A copy that survives JSON, for EXPLAIN with real values; null when a value is too long or has no
 * honest text, because a changed value could change the plan.
 */
export function portableParameters(values: readonly unknown[]): readonly unknown[] | null {
  if (values.length > mostParameters) return null;
  const copies: unknown[] = [];
  for (const value of values) {
    const copy = portable(value);
    if (copy === undefined) return null;
    copies.push(copy);
  }
  return copies;
}

function portable(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return value.length <= longestValueLength ? value : undefined;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  if (Buffer.isBuffer(value)) return value.length <= longestValueLength ? `\\x${value.toString('hex')}` : undefined;
  if (Array.isArray(value)) return portableParameters(value) ?? undefined;
  try {
    // pg sends any other object as JSON.
    const text = JSON.stringify(value);
    return text.length <= longestValueLength ? text : undefined;
  } catch {
    return undefined;
  }
}

function valueKey(value: unknown): string {
  if (value === null || value === undefined) return '\u0000null';
  const scalar = scalarText(value);
  if (scalar !== null) return scalar;
  if (Array.isArray(value)) return `\u0000[${parameterKey(value)}]`;
  incomparable += 1;
  return `\u0000#${incomparable}`;
}
