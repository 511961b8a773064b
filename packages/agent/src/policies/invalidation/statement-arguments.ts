/** As node-postgres reads the arguments of `query`: a text, a configuration, or something to submit. */
export function textOf(statement: unknown): string | null {
  if (typeof statement === 'string') return statement;
  if (typeof statement !== 'object' || statement === null) return null;
  const { text, cursor } = statement as { readonly text?: unknown; readonly cursor?: unknown };
  return typeof text === 'string' ? text : cursor === undefined ? null : textOf(cursor);
}

export function valuesOf(statement: unknown, values: unknown): readonly unknown[] | undefined {
  if (Array.isArray(values)) return values;
  const own = typeof statement === 'object' && statement !== null ? (statement as { readonly values?: unknown }).values : undefined;
  return Array.isArray(own) ? own : undefined;
}

export function isSubmittable(statement: unknown): boolean {
  return typeof statement === 'object' && statement !== null && typeof (statement as { readonly submit?: unknown }).submit === 'function';
}
