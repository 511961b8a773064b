import { dottedName, type Edit, isFunction, isNode, type SourceFile, type SyntaxNode } from '../../../source-change/source-file.ts';
import { answeredCall, functionAround, mentionsOf, namedFunction, nameOf, type AnsweredRows } from './answered-rows.ts';
import { propertyName } from './written-query.ts';

/** The request that rows are read for: that of the handler which answers with them. */
export interface RequestOfRows {
  /** The answer holds each row as it was read. */
  readonly showsRows: boolean;
  /** Which of these words are read in the handler or beside the query: they mean something already. Null: none. */
  known(words: readonly string[]): string | null;
  /** What makes a value of the request's query known under `name` where the query is. `type`: the value's, for TypeScript. */
  made(name: string, value: (query: string) => string, type: string): readonly Edit[];
}

/**
 * The query stands in the handler, or in a function of the file that the handler alone calls. The handler is given to
 * `get(path, ..., handler)` and answers as Express (also Fastify) does, `response.json(rows)`, as Hono, `c.json(rows)`, as Koa,
 * `ctx.body = rows`, or by giving back, which is Fastify's where the file says so. Else a sentence's part that says why not.
 */
export function requestOfRows(source: SourceFile, query: SyntaxNode, rows: AnsweredRows): RequestOfRows | string {
  const around = functionAround(source, query);
  if (around === undefined) return 'the query stands in no function';
  if (registrationsOf(source, around).length > 0) {
    const request = requestIn(source, around, rows);
    if (typeof request === 'string') return request;
    return {
      showsRows: rows.unchanged,
      known: (words) => wordIn(source, around, words),
      made: (name, value) => [...request.edits, ...declaredBefore(source, query, around, `const ${name} = ${value(request.query)};`)],
    };
  }
  const call = onlyCallOf(source, around);
  if (typeof call === 'string') return call;
  if (rows.ends.some(({ how }) => how !== 'returned')) return 'the function that asks answers by itself and is no handler';
  const handler = functionAround(source, call);
  if (handler === undefined || registrationsOf(source, handler).length === 0) return 'no handler of a GET is seen to answer with its rows';
  const answered = answeredCall(source, call);
  if (typeof answered === 'string') return answered;
  const request = requestIn(source, handler, answered);
  if (typeof request === 'string') return request;
  return {
    showsRows: rows.unchanged && answered.unchanged,
    known: (words) => wordIn(source, handler, words) ?? wordIn(source, around, words),
    made: (name, value, type) => [
      ...request.edits,
      ...declaredBefore(source, call, handler, `const ${name} = ${value(request.query)};`),
      appended(call['arguments'] as readonly SyntaxNode[], call.end - 1, name),
      appended(
        around['params'] as readonly SyntaxNode[],
        openingOf(source, around),
        /\.[cm]?tsx?$/.test(source.path) ? `${name}: ${type}` : name,
      ),
    ],
  };
}

/** Calls of `get` that the function is the handler of; none where it is used for anything else too. */
function registrationsOf(source: SourceFile, candidate: SyntaxNode): readonly SyntaxNode[] {
  const [parent] = source.ancestorsOf(candidate);
  if (parent?.type === 'CallExpression') return isRegistration(parent, candidate) ? [parent] : [];
  const name = nameOf(source, candidate);
  if (name === null || isExported(source, candidate) || namedFunction(source, name) !== candidate) return [];
  const uses = mentionsOf(source, name).map((mention) => [mention, source.ancestorsOf(mention)[0]!] as const);
  return uses.every(([mention, use]) => isRegistration(use, mention)) ? uses.map(([, use]) => use) : [];
}

function isRegistration(call: SyntaxNode, handler: SyntaxNode): boolean {
  const callee = call['callee'];
  if (call.type !== 'CallExpression' || !isNode(callee) || callee.type !== 'MemberExpression' || propertyName(callee) !== 'get')
    return false;
  const given = call['arguments'] as readonly SyntaxNode[];
  const object = callee['object'] as SyntaxNode;
  const isOfRoute = object.type === 'CallExpression' && /(?:^|\.)route$/.test(dottedName(object['callee']) ?? '');
  const hasPath = given.length > 1 && ['Literal', 'TemplateLiteral'].includes(given[0]!.type);
  return given.at(-1) === handler && (hasPath || isOfRoute);
}

/** The only call there is of a function that nobody outside of the file can call. */
function onlyCallOf(source: SourceFile, called: SyntaxNode): SyntaxNode | string {
  const name = nameOf(source, called);
  if (name === null || namedFunction(source, name) !== called) return 'the query stands in a function that is no handler of a GET';
  if (isExported(source, called)) return `${name} is exported: others may call it in another way`;
  const [mention, ...others] = mentionsOf(source, name);
  const call = mention === undefined ? undefined : source.ancestorsOf(mention)[0];
  if (call?.type !== 'CallExpression' || call['callee'] !== mention || others.length > 0) return `${name} is not called once alone`;
  const given = call['arguments'] as readonly SyntaxNode[];
  const parameters = called['params'] as readonly SyntaxNode[];
  const plain =
    parameters.every(({ type, optional }) => type === 'Identifier' && optional !== true) &&
    given.every(({ type }) => type !== 'SpreadElement');
  return plain && given.length === parameters.length && !isNode(called['typeParameters'])
    ? call
    : `${name} takes more than plain parameters`;
}

function isExported(source: SourceFile, node: SyntaxNode): boolean {
  const holder = source.ancestorsOf(node).find(({ type }) => !type.startsWith('Variable'));
  return holder?.type.startsWith('Export') === true;
}

interface RequestInHandler {
  /** The expression that holds the query's parameters by name. */
  readonly query: string;
  readonly edits: readonly Edit[];
}

function requestIn(source: SourceFile, handler: SyntaxNode, { ends }: AnsweredRows): RequestInHandler | string {
  const [end, ...others] = ends;
  if (others.some(({ how, on }) => how !== end.how || on !== end.on)) return 'it is answered in several ways';
  const registrations = registrationsOf(source, handler);
  const named = registrations.some((registration) => isFastify(source, registration));
  const refused = registrations.map((registration) => refusedOptions(registration, named)).find((reason) => reason !== null);
  if (refused !== undefined) return refused;
  const parameters = handler['params'] as readonly SyntaxNode[];
  const [first, second] = [0, 1].map((place) => (parameters[place] === undefined ? null : dottedName(parameters[place])));
  if (first === null && parameters.length > 0) return 'its request is taken apart where it comes in';
  if (first !== null && isDeclaredAgain(source, handler, first!)) return `${first} is more than one thing in it`;
  const own = (query: string): RequestInHandler => ({ query, edits: [] });
  if (end.how === 'sent' && end.on === second && second !== null) return own(`${first}.query`);
  if (end.how === 'sent' && end.on === first && first !== null) return own(`${first}.req.query()`);
  if (end.how === 'set' && end.on === first && first !== null) return own(`${first}.query`);
  if (end.how !== 'returned') return 'it is answered by something that is not given to its handler';
  if (!named) return 'what becomes of a value that is given back is up to a framework that the file does not name';
  if (first !== null) return own(`${first}.query`);
  const opening = openingOf(source, handler);
  return { query: 'request.query', edits: [{ start: opening, end: opening, text: 'request' }] };
}

/** By what it imports, or by what its routes are declared on. */
function isFastify(source: SourceFile, registration: SyntaxNode): boolean {
  const named = source.find(({ type, value }) => type === 'Literal' && value === 'fastify').length > 0;
  return named || /^(?:this\.)?fastify\./.test(dottedName(registration['callee']) ?? '');
}

/** Fastify leaves out of the query what a schema does not name. */
function refusedOptions(registration: SyntaxNode, isNamedFastify: boolean): string | null {
  const between = (registration['arguments'] as readonly SyntaxNode[]).slice(1, -1);
  for (const options of between) {
    if (options.type !== 'ObjectExpression') {
      if (isNamedFastify) return 'the options of its route are computed elsewhere';
      continue;
    }
    for (const property of options['properties'] as readonly SyntaxNode[]) {
      if (dottedName(property['key']) !== 'schema') continue;
      const schema = property['value'];
      const names =
        isNode(schema) && schema.type === 'ObjectExpression'
          ? (schema['properties'] as readonly SyntaxNode[]).map(({ key }) => dottedName(key))
          : [null];
      if (names.some((name) => name === null || name.startsWith('query'))) return 'a schema says what its query may hold';
    }
  }
  return null;
}

function isDeclaredAgain(source: SourceFile, handler: SyntaxNode, name: string): boolean {
  return (
    source.find((node) => {
      if (node.type !== 'Identifier' || node['name'] !== name) return false;
      const [parent] = source.ancestorsOf(node);
      return parent?.type === 'VariableDeclarator'
        ? parent['id'] === node
        : parent !== undefined && isFunction(parent) && parent !== handler && parent['body'] !== node;
    }, handler).length > 0
  );
}

function wordIn(source: SourceFile, within: SyntaxNode, words: readonly string[]): string | null {
  const said = source.find(
    ({ type, name, value }) =>
      (type === 'Identifier' && words.includes(String(name))) || (type === 'Literal' && words.includes(String(value))),
    within,
  );
  return said.length === 0 ? null : String(said[0]!['name'] ?? said[0]!['value']);
}

/** In front of the statement that holds the node; an arrow function that is an expression gets a body for it. */
function declaredBefore(source: SourceFile, node: SyntaxNode, within: SyntaxNode, declaration: string): readonly Edit[] {
  const ancestors = [node, ...source.ancestorsOf(node)];
  const place = ancestors.findIndex((_, index) => ancestors[index + 1]?.type === 'BlockStatement' || ancestors[index + 1] === within);
  const statement = ancestors[place]!;
  const indentation = source.indentationAt(statement.start);
  if (ancestors[place + 1] !== within) return [{ start: statement.start, end: statement.start, text: `${declaration}\n${indentation}` }];
  return [
    { start: statement.start, end: statement.start, text: `{\n${indentation}  ${declaration}\n${indentation}  return ` },
    { start: statement.end, end: statement.end, text: `;\n${indentation}}` },
  ];
}

/** After the last of them, or at `empty` where there is none. */
function appended(list: readonly SyntaxNode[], empty: number, text: string): Edit {
  const last = list.at(-1);
  return last === undefined ? { start: empty, end: empty, text } : { start: last.end, end: last.end, text: `, ${text}` };
}

/** Right after the parenthesis that a function's parameters begin with. */
function openingOf({ text }: SourceFile, { start, id }: SyntaxNode): number {
  return text.indexOf('(', isNode(id) ? id.end : start) + 1;
}
