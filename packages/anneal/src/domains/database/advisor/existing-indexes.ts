import type { SnapshotIndex } from '../../../ports/database-snapshot.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import { closing, keysOf, splitOutside, unquoted } from '../index-size/sql-lists.ts';

const methods: ReadonlySet<string> = new Set(['btree', 'gin', 'gist', 'hash', 'brin']);

/** An existing index taken apart from its pg_get_indexdef; null for access methods that no rule here looks at. */
export function definitionOf({
  schema,
  table,
  definition,
}: Pick<SnapshotIndex, 'schema' | 'table' | 'definition'>): IndexDefinition | null {
  const method = / USING (\w+) /u.exec(definition)?.[1];
  if (method === undefined || !methods.has(method)) return null;
  const open = definition.indexOf('(', definition.indexOf(' USING '));
  const rest = definition.slice(closing(definition, open) + 1);
  const include = / INCLUDE \(/u.exec(rest);
  const listed =
    include === null ? '' : rest.slice(include.index + include[0].length, closing(rest, include.index + include[0].length - 1));
  const where = / WHERE (.*)$/su.exec(include === null ? rest : rest.slice(rest.indexOf(listed) + listed.length));
  return {
    schema,
    table,
    keys: keysOf(definition),
    method: method as IndexDefinition['method'],
    include: listed === '' ? [] : splitOutside(listed, ',').map((column) => unquoted(column.trim())),
    predicate: where?.[1] === undefined ? null : withoutParentheses(where[1]),
  };
}

function withoutParentheses(text: string): string {
  return text.startsWith('(') && closing(text, 0) === text.length - 1 ? text.slice(1, -1) : text;
}
