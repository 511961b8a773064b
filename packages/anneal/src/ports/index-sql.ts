import type { IndexDefinition } from './planner.ts';

/**
 * Words that PostgreSQL does not take as a bare column or table name: the manual's Appendix C,
 * "reserved" and "reserved (can be function or type)", versions 12 to 18 together.
 */
const reservedWords = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp
  current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having
  ilike in initially inner intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not
  notnull null offset on only or order outer overlaps placing primary references returning right select session_user similar
  some symmetric system_user table tablesample then to trailing true union unique user using variadic verbose when where window
  with`.split(/\s+/u),
);

/** A name as SQL, quoted only where it must be, so that what people read stays readable. */
export function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/u.test(name) && !reservedWords.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A string as an SQL literal that means the same under either `standard_conforming_strings`. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

export function qualifiedName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** `CREATE INDEX` for the definition, without a semicolon. No name: the server chooses one. */
export function indexSql(definition: IndexDefinition, options: { readonly name?: string; readonly concurrently?: boolean } = {}): string {
  const { schema, table, keys, method, include, predicate } = definition;
  return [
    'CREATE INDEX',
    options.concurrently === true ? 'CONCURRENTLY' : null,
    options.name === undefined ? null : quoteIdentifier(options.name),
    `ON ${qualifiedName(schema, table)}`,
    method === 'btree' ? null : `USING ${method}`,
    `(${keys.join(', ')})`,
    include.length === 0 ? null : `INCLUDE (${include.map(quoteIdentifier).join(', ')})`,
    predicate === null ? null : `WHERE ${predicate}`,
  ]
    .filter((part) => part !== null)
    .join(' ');
}
