import type { Codemod } from '../../../source-change/codemod.ts';
import { type Edit, isNode, type SourceFile } from '../../../source-change/source-file.ts';
import { keyOfTable } from '../table-key.ts';
import { answeredRows } from './answered-rows.ts';
import { pagedStatement, type PagedStatement } from './paged-statement.ts';
import { requestOfRows } from './request-of-rows.ts';
import { freeName, queriesAt } from './written-query.ts';

/** Nobody reads more at once, and public APIs end their pages there: the number that the rule counts from too. */
const mostRows = 100;

/**
 * Whoever asks for no page is answered as before, by the same statement: the page is a second one beside it. What does not
 * have the form of a page (`?limit=all`) counts as not asked for.
 */
export const pageOnRequest: Codemod = {
  id: 'api/page-on-request',
  title: 'Answers ?limit= with a page, and who asks for none as before',
  addresses: ['api/unbounded-result'],

  judgedBy: () => ({ unprovable: 'it saves nothing until clients ask for pages, and the traffic that was measured asks for none' }),

  write(source, at, { finding }) {
    const key = keyOfTable(finding);
    if (key === null) return 'no primary key is known that puts the rows into one order';
    const [call] = queriesAt(source, at.line);
    if (call === undefined) return `no query(text, [values]) with a written text stands at line ${at.line}`;
    const { node, client, sql, values } = call;
    if (sql.raw !== sql.value) return 'its text is written with escapes';
    const rows = answeredRows(source, node);
    if (typeof rows === 'string') return rows;
    const request = requestOfRows(source, node, rows);
    if (typeof request === 'string') return request;
    const statement = pagedStatement(sql.value, key, { parameters: values.length, showsRows: request.showsRows });
    if (typeof statement === 'string') return statement;
    const start = statement.after === null ? 'offset' : 'after';
    const known = request.known(['limit', start]);
    if (known !== null) return `it has a use for "${known}" already`;

    const page = freeName(source, 'page');
    const asked = freeName(source, 'pageAsked');
    const given = [...values.map((value) => source.textOf(value)), `${page}.limit`, `${page}.${start}`].join(', ');
    const types = isNode(node['typeArguments']) ? source.textOf(node['typeArguments']) : '';
    const quote = statement.text.includes(sql.quote) ? '`' : sql.quote;
    const line = `\n${source.indentationAt(node.start)}  `;
    return [
      ...request.made(page, (query) => `${asked}(${query})`, `ReturnType<typeof ${asked}>`),
      { start: node.start, end: node.start, text: `(${page} === null${line}? ` },
      { start: node.end, end: node.end, text: `${line}: ${client}.query${types}(${quote}${statement.text}${quote}, [${given}]))` },
      atTheEnd(source, pageAsked(asked, statement, /\.[cm]?tsx?$/.test(source.path))),
    ];
  },
};

function atTheEnd({ text }: SourceFile, added: string): Edit {
  return { start: text.length, end: text.length, text: `${text.endsWith('\n') ? '' : '\n'}\n${added}` };
}

/** Accepted in an address, so that the server never has to refuse one. */
const forms = {
  integer: String.raw`typeof after !== 'string' || !/^-?\d{1,18}$/.test(after)`,
  uuid: String.raw`typeof after !== 'string' || !/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(after)`,
  text: String.raw`typeof after !== 'string' || after.includes('\0')`,
} as const;

/** The function that reads the page out of a request's query, whatever made that. */
function pageAsked(name: string, { after }: PagedStatement, typed: boolean): string {
  const start = after === null ? 'offset' : 'after';
  const meaning = after === null ? 'the rows to pass over' : `the ${after.column} that the page before ended with`;
  const type = after === null ? 'number' : 'string | null';
  const parameter = typed ? 'query: unknown' : 'query';
  const result = typed ? `: { readonly limit: number; readonly ${start}: ${type} } | null` : '';
  const cast = typed ? ` as { readonly limit?: unknown; readonly ${start}?: unknown }` : '';
  return [
    `/** The page that is asked for with ?limit= (${mostRows} at most) and ?${start}=, ${meaning}; null where none is: then all is answered. */`,
    `function ${name}(${parameter})${result} {`,
    `  const { limit, ${start} = ${after === null ? "'0'" : 'null'} } = query${cast};`,
    String.raw`  if (typeof limit !== 'string' || !/^[1-9]\d{0,8}$/.test(limit)) return null;`,
    ...(after === null
      ? [String.raw`  if (typeof offset !== 'string' || !/^\d{1,9}$/.test(offset)) return null;`]
      : [`  if (after !== null && (${forms[after.type]})) return null;`]),
    `  return { limit: Math.min(Number(limit), ${mostRows}), ${after === null ? 'offset: Number(offset)' : 'after'} };`,
    '}',
    '',
  ].join('\n');
}
