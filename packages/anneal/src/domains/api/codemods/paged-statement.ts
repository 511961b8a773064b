import { unquoted, type TableKey } from '../table-key.ts';

export interface PagedStatement {
  /** The statement with a LIMIT in the first parameter that is free, and where the page begins in the one after it. */
  readonly text: string;
  /** A page begins after the row of this key, in a form the server takes; null: after so many rows. */
  readonly after: { readonly column: string; readonly type: 'integer' | 'text' | 'uuid' } | null;
}

/**
 * A page of a list of one table's rows, in the statement's own order and, where rows are equal in that, by the primary key:
 * without an order in which no two rows are equal, pages would repeat rows and leave others out (PostgreSQL manual, 7.6).
 * A page begins after a key where the key alone is the order and every row shows it; an OFFSET reads all that it passes over.
 *
 * `parameters`: how many the statement has. A sentence's part says why there are no pages of it.
 */
export function pagedStatement(
  text: string,
  key: TableKey,
  { parameters, showsRows }: { readonly parameters: number; readonly showsRows: boolean },
): PagedStatement | string {
  const parts = listOf(text);
  if (parts === null) return "the statement is more than a list of one table's rows";
  const { columns, table, alias, condition, order } = parts;
  const tableName = table.split('.').at(-1)!;
  if (folded(tableName) !== key.table) return `the primary key of ${table} is not known`;
  const placeholders = [...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
  if (Math.max(0, ...placeholders) !== parameters) return 'its parameters are not those it is given';
  const unsteady = [columns, condition ?? ''].flatMap(calledFunctions).find((name) => !steadyFunctions.has(name));
  if (unsteady !== undefined) return `whether ${unsteady}() gives one value per row, the same each time, is not known`;
  if (order !== null && !plainOrder.test(order)) return 'it is ordered by an expression';

  const row = alias ?? tableName;
  const [limit, start] = [`$${parameters + 1}`, `$${parameters + 2}`];
  const ordered = (order ?? '').split(',').map((item) => item.trim());
  const outputs = (outside(columns) ?? '').split(',').map((item) => item.trim());
  const shown = (column: string) => outputs.some((item) => ['*', `${row}.*`, column, `${row}.${column}`].includes(item));
  const orders = (column: string) => (item: string) =>
    item.split(/\s/)[0] === `${row}.${column}` || (item.split(/\s/)[0] === column && shown(column));
  const end = text.trimEnd().replace(/\s*;$/, '');
  const [column] = key.columns;
  const direction = /^\S+(?:\s+(ASC|DESC))?$/i.exec(ordered[0]!)?.[1]?.toUpperCase() ?? 'ASC';
  const isKeyset = key.columns.length === 1 && shown(column) && (order === null || (ordered.length === 1 && orders(column)(ordered[0]!)));
  const type = cursorTypes.get((key.type ?? '').replace(/\(.*/, ''));
  if (showsRows && isKeyset && type !== undefined && !/NULLS/i.test(order ?? '')) {
    const head = text.slice(0, parts.conditionAt ?? parts.orderAt ?? end.length).trimEnd();
    const beyond = `(${start}::${type.cast} IS NULL OR ${row}.${column} ${direction === 'DESC' ? '<' : '>'} ${start})`;
    const where = condition === null ? `${head} WHERE ${beyond}` : `${head} (${condition}) AND ${beyond}`;
    const tail = order === null ? `ORDER BY ${row}.${column}` : end.slice(parts.orderAt!);
    return { text: `${where} ${tail} LIMIT ${limit}`, after: { column: unquoted(column), type: type.type } };
  }
  const missing = key.columns.filter((name) => !ordered.some(orders(name))).map((name) => `${row}.${name}`);
  const tie = missing.length === 0 ? '' : `${order === null ? ' ORDER BY ' : ', '}${missing.join(', ')}`;
  return { text: `${end}${tie} LIMIT ${limit} OFFSET ${start}`, after: null };
}

/** What comes back from JSON as it was: a time would come back without its microseconds, and pages would repeat rows. */
const cursorTypes: ReadonlyMap<string, { readonly type: 'integer' | 'text' | 'uuid'; readonly cast: string }> = new Map([
  ['smallint', { type: 'integer', cast: 'bigint' }],
  ['integer', { type: 'integer', cast: 'bigint' }],
  ['bigint', { type: 'integer', cast: 'bigint' }],
  ['text', { type: 'text', cast: 'text' }],
  ['character varying', { type: 'text', cast: 'text' }],
  ['uuid', { type: 'uuid', cast: 'uuid' }],
]);

/** One value for one row, and the same for the same row: they neither multiply rows nor gather them. Words that may stand before a parenthesis too. */
const steadyFunctions: ReadonlySet<string> = new Set(
  (
    'and any as between by case coalesce else exists from ilike in is like not or select then when where ' +
    'abs ceil char date date_part date_trunc decimal encode extract floor greatest interval json_build_object jsonb_build_object ' +
    'least left length lower ltrim md5 now nullif numeric replace right round rtrim substr substring timestamp timestamptz ' +
    'to_char to_json to_jsonb trim upper varchar'
  ).split(' '),
);

function calledFunctions(sql: string): readonly string[] {
  return [...withoutStrings(sql).matchAll(/([\w.]+|")\s*\(/g)].map(([, name]) => name!.toLowerCase());
}

const name = String.raw`(?:[a-z_]\w*|"\w+")`;
const plainOrder = new RegExp(
  String.raw`^(?:(?:${name}\.)?${name}|\d+)(?:\s+(?:ASC|DESC))?(?:\s+NULLS\s+(?:FIRST|LAST))?(?:\s*,\s*(?:(?:${name}\.)?${name}|\d+)(?:\s+(?:ASC|DESC))?(?:\s+NULLS\s+(?:FIRST|LAST))?)*$`,
  'i',
);
const list = new RegExp(
  String.raw`^\s*SELECT\s+(?<columns>\S.*?)\s+FROM\s+(?<table>(?:${name}\.)?${name})(?:\s+(?:AS\s+)?(?<alias>(?!WHERE\b|ORDER\b)${name}))?` +
    String.raw`(?:\s+WHERE\b(?<condition>.+?))?(?:\s+(?<ordering>ORDER\s+BY\s+(?<order>\S.*?)))?\s*;?\s*$`,
  'isd',
);
/** Of these each makes of rows something else than they are, or has a LIMIT already. */
const more =
  /\b(?:ALL|DISTINCT|EXCEPT|FETCH|FOR|FROM\s+ONLY|GROUP|HAVING|INTERSECT|INTO|JOIN|LIMIT|OFFSET|TABLESAMPLE|UNION|WINDOW|WITH)\b|--|\/\*|\$\$|\$[a-z_]\w*\$|\\|;\s*\S/i;

interface ListStatement {
  readonly columns: string;
  readonly table: string;
  readonly alias: string | null;
  readonly condition: string | null;
  /** Offset of what follows WHERE. */
  readonly conditionAt: number | null;
  readonly order: string | null;
  /** Offset of ORDER BY. */
  readonly orderAt: number | null;
}

/** Null for everything but `SELECT columns FROM one table [WHERE condition] [ORDER BY order]`. */
function listOf(text: string): ListStatement | null {
  const outer = outside(text);
  if (outer === null || more.test(outer)) return null;
  const places = list.exec(outer)?.indices?.groups;
  if (places === undefined) return null;
  const part = (group: string) => {
    const place = places[group];
    return place === undefined ? null : text.slice(...place);
  };
  return {
    columns: part('columns')!,
    table: part('table')!,
    alias: part('alias'),
    condition: part('condition')?.trim() ?? null,
    conditionAt: places['condition']?.[0] ?? null,
    order: part('order'),
    orderAt: places['ordering']?.[0] ?? null,
  };
}

/** Names that are not quoted are meant in small letters (PostgreSQL manual, 4.1.1). */
function folded(name: string): string {
  return name.startsWith('"') ? unquoted(name) : name.toLowerCase();
}

/** With blanks in place of what strings and parentheses hold: every offset stays. Null where one has no end. */
function outside(sql: string): string | null {
  return withoutParentheses(withoutStrings(sql));
}

function withoutStrings(sql: string): string {
  return sql.replaceAll(/'[^']*'/g, (string) => `'${' '.repeat(string.length - 2)}'`);
}

function withoutParentheses(sql: string): string | null {
  let depth = 0;
  let outer = '';
  for (const character of sql) {
    if (character === ')') depth -= 1;
    if (depth < 0) return null;
    outer += depth === 0 ? character : ' ';
    if (character === '(') depth += 1;
  }
  return depth === 0 ? outer : null;
}
