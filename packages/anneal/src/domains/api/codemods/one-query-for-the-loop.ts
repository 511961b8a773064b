import type { Codemod } from '../../../source-change/codemod.ts';
import { dottedName, type Edit, isFunction, isNode, type SourceFile, type SyntaxNode } from '../../../source-change/source-file.ts';
import { freeName, propertyName, queriesAt } from './written-query.ts';

/**
 * A plain look-up by one key: no order, no limit, no group, no join, nothing that would mean something else for all keys at once.
 * https://www.postgresql.org/docs/current/functions-comparisons.html: `= ANY (array)` is true where one of them is equal.
 */
const keyLookup =
  /^\s*SELECT\s+(?<columns>[\w\s,.*"]+?)\s+FROM\s+(?<from>[\w."]+(?:\s+(?:AS\s+)?(?!WHERE\b)\w+)?)\s+WHERE\s+(?<key>[\w."]+)\s*=\s*\$1\s*;?\s*$/is;

const forbiddenColumns = /\b(?:DISTINCT|ALL|INTO)\b/i;

export const oneQueryForTheLoop: Codemod = {
  id: 'api/one-query-for-the-loop',
  title: 'Asks for all keys with one statement before the loop',
  addresses: ['api/sequential-n-plus-one', 'api/parallel-n-plus-one'],

  write(source, at) {
    const call = queriesAt(source, at.line).find(({ values }) => values.length === 1);
    if (call === undefined) return `no query(text, [value]) with a written text stands at line ${at.line}`;
    const { node, client, sql } = call;
    const lookup = keyLookup.exec(sql.value)?.groups;
    if (lookup === undefined || forbiddenColumns.test(lookup['columns']!)) return 'the statement is more than a look-up by one key';
    const loop = loopAround(source, node);
    if (loop === null) return 'the query stands in no for-of loop and no map() of its own function';
    const key = dottedName(call.values[0]);
    if (key === null || key.split('.')[0] !== loop.item) return `the parameter is not ${loop.item} or a property of it`;
    if (loop.list === null) return 'the list is computed where the loop begins';
    if (assigns(source, loop.body, loop.item)) return `the loop changes ${loop.item}`;
    if (waitsFor(source, loop.body) > 1) return 'the loop waits for something else too, which might write what it reads';
    const use = useOf(source, node);
    if (use === null) return 'more of the result is used than its rows and their number';

    const indentation = source.indentationAt(loop.statement.start);
    const names = { found: freeName(source, 'foundTogether'), byKey: freeName(source, 'rowsByKey') };
    const rowsType = node['typeArguments'];
    const rowType = isNode(rowsType) ? source.textOf(rowsType) : '';
    const quote = sql.quote;
    const all = `${quote}${writtenFor(lookup)}${quote}`;
    const before = [
      `const ${names.found} = await ${client}.query(${all}, [${loop.list}.map((${loop.item}) => ${key})]);`,
      `const ${names.byKey} = new Map${rowType === '' ? '' : mapType(rowType)}();`,
      `for (const { annealKey, ...row } of ${names.found}.rows) {`,
      `  const rows = ${names.byKey}.get(String(annealKey));`,
      `  if (rows === undefined) ${names.byKey}.set(String(annealKey), [row]);`,
      `  else rows.push(row);`,
      `}`,
    ];
    // Callers may change the rows they get: two that ask for the same key must not share them.
    const asked = `${names.byKey}.get(String(${key}))`;
    const count = use.properties.has('rowCount') ? `, rowCount: ${asked}?.length ?? 0` : '';
    const replacement = `{ rows: (${asked} ?? []).map((row) => ({ ...row }))${count} }`;
    return [
      { start: loop.statement.start, end: loop.statement.start, text: `${before.join(`\n${indentation}`)}\n${indentation}` },
      {
        start: use.replaced.start,
        end: use.replaced.end,
        text: replacement,
      },
    ] satisfies Edit[];
  },
};

function writtenFor({ columns, from, key }: Readonly<Record<string, string>>): string {
  return `SELECT ${columns}, ${key} AS "annealKey" FROM ${from} WHERE ${key} = ANY($1)`;
}

function mapType(rowType: string): string {
  return `<string, ${rowType.slice(1, -1)}[]>`;
}

interface Loop {
  /** In front of which the one query is sent. */
  readonly statement: SyntaxNode;
  readonly body: SyntaxNode;
  readonly item: string;
  /** Null where it is not a name. */
  readonly list: string | null;
}

/** The nearest for-of around the query, or the function that `await Promise.all(list.map(...))` calls; both in the query's own function. */
function loopAround(source: SourceFile, query: SyntaxNode): Loop | null {
  const ancestors = source.ancestorsOf(query);
  for (const [index, ancestor] of ancestors.entries()) {
    if (ancestor.type === 'ForOfStatement' && ancestor['await'] !== true) {
      const item = itemOf(ancestor['left']);
      return item === null
        ? null
        : { statement: ancestor, body: ancestor['body'] as SyntaxNode, item, list: dottedName(ancestor['right']) };
    }
    if (!isFunction(ancestor)) continue;
    const map = ancestors[index + 1];
    if (map?.type !== 'CallExpression' || (map['arguments'] as readonly unknown[])[0] !== ancestor) return null;
    const all = ancestors[index + 2];
    const awaited = ancestors[index + 3];
    const isAll = all?.type === 'CallExpression' && dottedName(all['callee']) === 'Promise.all';
    const callee = map['callee'];
    const parameters = ancestor['params'] as readonly SyntaxNode[];
    const item = parameters.length === 1 ? dottedName(parameters[0]) : null;
    const statement = ancestors.slice(index).find(({ type }) => type.endsWith('Statement') || type === 'VariableDeclaration');
    if (!isAll || awaited?.type !== 'AwaitExpression' || !isNode(callee) || item === null || statement === undefined) return null;
    if (callee.type !== 'MemberExpression' || !isNode(callee['property']) || callee['property']['name'] !== 'map') return null;
    return { statement, body: ancestor['body'] as SyntaxNode, item, list: dottedName(callee['object']) };
  }
  return null;
}

function itemOf(left: unknown): string | null {
  if (!isNode(left) || left.type !== 'VariableDeclaration') return null;
  const [declarator] = left['declarations'] as readonly SyntaxNode[];
  return dottedName(declarator?.['id']);
}

function assigns(source: SourceFile, body: SyntaxNode, item: string): boolean {
  const written = source.find(
    ({ type, ...node }) =>
      (type === 'AssignmentExpression' && dottedName(node['left'])?.split('.')[0] === item) ||
      (type === 'UpdateExpression' && dottedName(node['argument'])?.split('.')[0] === item),
    body,
  );
  return written.length > 0;
}

function waitsFor(source: SourceFile, body: SyntaxNode): number {
  return source.find(({ type }) => type === 'AwaitExpression', body).length;
}

interface Use {
  /** What the rows take the place of: the awaited query, or the promise that a mapping function gives back. */
  readonly replaced: SyntaxNode;
  readonly properties: ReadonlySet<string>;
}

/** `rows` and `rowCount` are there afterwards; anything else of the result would be missing. */
function useOf(source: SourceFile, query: SyntaxNode): Use | null {
  const [awaited, holder, outer] = source.ancestorsOf(query);
  if (awaited?.type !== 'AwaitExpression' || holder === undefined) return null;
  const allowed = (names: readonly (string | null)[]): Use | null =>
    names.every((name) => name === 'rows' || name === 'rowCount')
      ? { replaced: awaited, properties: new Set(names.filter((name) => name !== null)) }
      : null;
  // (await query(...)).rows
  if (holder.type === 'MemberExpression') return allowed([propertyName(holder)]);
  if (holder.type === 'ParenthesizedExpression' && outer?.type === 'MemberExpression') return allowed([propertyName(outer)]);
  if (holder.type !== 'VariableDeclarator') return null;
  const id = holder['id'];
  if (!isNode(id)) return null;
  if (id.type === 'ObjectPattern') {
    return allowed(
      (id['properties'] as readonly SyntaxNode[]).map((property) => (isNode(property['key']) ? String(property['key']['name']) : null)),
    );
  }
  const name = dottedName(id);
  const scope = source.ancestorsOf(holder).find(({ type }) => type === 'BlockStatement');
  if (name === null || scope === undefined) return null;
  const mentions = source.find((node) => node.type === 'Identifier' && node['name'] === name && node.start >= holder.end, scope);
  return allowed(
    mentions.map((mention) => {
      const parent = source.ancestorsOf(mention)[0];
      return parent?.type === 'MemberExpression' && parent['object'] === mention ? propertyName(parent) : null;
    }),
  );
}
