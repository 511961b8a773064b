import type { RowChange } from '../ports/change-stream.ts';

const identifier = '"(?:[^"]|"")+"|[^\\s".:\\[]+';
const head = new RegExp(`^table (${identifier})\\.(${identifier}): (INSERT|UPDATE|DELETE): `);
const column = new RegExp(`(${identifier})\\[((?:[^\\[\\]]|\\[\\])+)\\]:('(?:[^']|'')*'|\\S+) ?`, 'y');

/** One line of `test_decoding` (contrib/test_decoding): `table public.posts: UPDATE: id[integer]:1 title[text]:'a'`. */
export function parseChange(line: string): RowChange {
  const parsed = head.exec(line);
  if (parsed === null) return { table: null, action: 'truncate', row: new Map() };
  const action = parsed[3]!.toLowerCase() as 'insert' | 'update' | 'delete';
  const table = `${unquoted(parsed[1]!)}.${unquoted(parsed[2]!)}`;
  return { table, action, row: rowOf(line.slice(parsed[0].length)) };
}

/** Empty where anything stands there that is no column: `old-key:` for a changed key, `(no-tuple-data)`. */
function rowOf(text: string): ReadonlyMap<string, string> {
  const row = new Map<string, string>();
  for (let at = 0; at < text.length; at = column.lastIndex) {
    column.lastIndex = at;
    const found = column.exec(text);
    if (found === null) return new Map();
    const [, name, , value] = found;
    row.set(unquoted(name!), value!.startsWith("'") ? value!.slice(1, -1).replaceAll("''", "'") : value!);
  }
  return row;
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
