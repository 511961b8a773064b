import { dottedName, isFunction, isNode, type SourceFile, type SyntaxNode } from '../../../source-change/source-file.ts';
import { propertyName } from './written-query.ts';

/** Where rows end: what a function gives back, what it hands to a response, or what it sets as a body. */
export interface RowsEnd {
  readonly how: 'returned' | 'sent' | 'set';
  /** The name that `json` or `send` is called on in the end, or whose `body` is set; null for what is given back. */
  readonly on: string | null;
}

export interface AnsweredRows {
  readonly ends: readonly [RowsEnd, ...RowsEnd[]];
  /** Each row as it was read; false where a function makes something else of each. */
  readonly unchanged: boolean;
}

/**
 * Follows the result of an awaited query to the answer. Every use of it has to be its rows, one by one and whole: in an array,
 * in an object, through `map`. What is counted, searched or sorted is another thing for a page than for all, and ends in a
 * sentence's part that says so.
 */
export function answeredRows(source: SourceFile, query: SyntaxNode): AnsweredRows | string {
  const [awaited, ...outer] = source.ancestorsOf(query);
  if (awaited?.type !== 'AwaitExpression') return 'its result is not waited for where it is asked for';
  const home = functionAround(source, query);
  const holder = outer.find(({ type }) => type !== 'ParenthesizedExpression');
  if (holder?.type === 'MemberExpression') return ofMember(source, holder, home);
  const variable = declared(source, holder);
  if (variable === null) return notRows;
  if (variable.type === 'ObjectPattern') {
    const [property, ...others] = variable['properties'] as readonly SyntaxNode[];
    const name = dottedName(property?.['value']);
    const isRows = others.length === 0 && dottedName(property?.['key']) === 'rows' && name !== null;
    return isRows ? ofVariable(source, variable, name, home) : notRows;
  }
  const name = dottedName(variable);
  if (name === null) return notRows;
  return joined(
    mentionsOf(source, name, home)
      .filter(({ start }) => start > variable.end)
      .map((mention) => {
        const [member] = source.ancestorsOf(mention);
        return member?.type === 'MemberExpression' && member['object'] === mention ? ofMember(source, member, home) : notRows;
      }),
  );
}

/** The same for the awaited call of a function that gives rows back. */
export function answeredCall(source: SourceFile, call: SyntaxNode): AnsweredRows | string {
  return source.ancestorsOf(call)[0]?.type === 'AwaitExpression'
    ? ofValue(source, call, functionAround(source, call))
    : 'its result is not waited for where it is asked for';
}

const notRows = 'more of the result is used than its rows';

function ofMember(source: SourceFile, member: SyntaxNode, home: SyntaxNode | undefined): AnsweredRows | string {
  return propertyName(member) === 'rows' ? ofValue(source, member, home) : notRows;
}

function ofVariable(source: SourceFile, declaration: SyntaxNode, name: string, home: SyntaxNode | undefined): AnsweredRows | string {
  const mentions = mentionsOf(source, name, home).filter(({ start }) => start > declaration.end);
  return joined(mentions.map((mention) => ofValue(source, mention, home)));
}

function joined(uses: readonly (AnsweredRows | string)[]): AnsweredRows | string {
  const reason = uses.find((use) => typeof use === 'string');
  if (reason !== undefined) return reason;
  const followed = uses.filter((use) => typeof use !== 'string');
  const [end, ...ends] = followed.flatMap((use) => use.ends);
  return end === undefined ? 'its rows are not answered' : { ends: [end, ...ends], unchanged: followed.every((use) => use.unchanged) };
}

const wrappers = new Set(['ParenthesizedExpression', 'AwaitExpression', 'TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression']);

/** Upwards from an expression that is the rows, or holds them. `home`: whose return gives them back. */
function ofValue(source: SourceFile, from: SyntaxNode, home: SyntaxNode | undefined): AnsweredRows | string {
  let value = from;
  let unchanged = true;
  const end = (how: RowsEnd['how'], on: string | null): AnsweredRows => ({ ends: [{ how, on }], unchanged });
  for (;;) {
    const [parent, grandparent] = source.ancestorsOf(value);
    const elsewhere = `line ${source.lineOf(value.start)} uses its rows otherwise than in the answer`;
    if (parent === undefined) return elsewhere;
    if (wrappers.has(parent.type)) value = parent;
    else if (parent.type === 'Property' && parent['value'] === value && grandparent?.type === 'ObjectExpression') value = grandparent;
    else if (parent.type === 'MemberExpression' && parent['object'] === value && isMap(source, parent, grandparent)) {
      unchanged = false;
      value = grandparent!;
    } else if (parent.type === 'ReturnStatement' && functionAround(source, parent) === home) return end('returned', null);
    else if (parent === home && parent['body'] === value) return end('returned', null);
    else if (parent.type === 'AssignmentExpression' && parent['right'] === value && parent['operator'] === '=') {
      const body = /^(\w+)(?:\.response)?\.body$/.exec(dottedName(parent['left']) ?? '');
      return body === null ? elsewhere : end('set', body[1]!);
    } else if (parent.type === 'CallExpression') {
      const on = (parent['arguments'] as readonly unknown[])[0] === value ? responseOf(parent) : null;
      return on === null ? elsewhere : end('sent', on);
    } else {
      const variable = declared(source, parent);
      const name = dottedName(variable);
      if (variable === null || name === null) return elsewhere;
      const rest = ofVariable(source, variable, name, home);
      return typeof rest === 'string' ? rest : { ...rest, unchanged: unchanged && rest.unchanged };
    }
  }
}

/** `rows.map(of one row alone)`: a function that also looks at the place or at what it saw before makes something else of a page. */
function isMap(source: SourceFile, member: SyntaxNode, call: SyntaxNode | undefined): boolean {
  if (propertyName(member) !== 'map' || call?.type !== 'CallExpression' || call['callee'] !== member) return false;
  const [given, ...rest] = call['arguments'] as readonly SyntaxNode[];
  const mapper = given?.type === 'Identifier' ? namedFunction(source, String(given['name'])) : given;
  if (mapper === undefined || mapper === null || !isFunction(mapper) || rest.length > 0 || mapper['async'] === true) return false;
  const parameters = mapper['params'] as readonly SyntaxNode[];
  const remembers = source.find(
    ({ type, ...node }) =>
      type === 'AssignmentExpression' || type === 'UpdateExpression' || (type === 'Identifier' && node['name'] === 'arguments'),
    mapper,
  );
  return parameters.length <= 1 && parameters[0]?.type !== 'RestElement' && remembers.length === 0;
}

/** `response` in `response.status(200).json(value)`; null where it is no such call. */
function responseOf(call: SyntaxNode): string | null {
  const { callee } = call;
  if (!isNode(callee) || callee.type !== 'MemberExpression' || !['json', 'send'].includes(propertyName(callee) ?? '')) return null;
  let object = callee['object'];
  while (isNode(object) && (object.type === 'CallExpression' || object.type === 'MemberExpression'))
    object = object.type === 'CallExpression' ? object['callee'] : object['object'];
  return isNode(object) && object.type === 'Identifier' ? String(object['name']) : null;
}

/** What the constant is called that this declarator gives its value to; null for everything else. */
function declared(source: SourceFile, declarator: SyntaxNode | undefined): SyntaxNode | null {
  if (declarator?.type !== 'VariableDeclarator' || source.ancestorsOf(declarator)[0]?.['kind'] !== 'const') return null;
  return declarator['id'] as SyntaxNode;
}

export function functionAround(source: SourceFile, node: SyntaxNode): SyntaxNode | undefined {
  return source.ancestorsOf(node).find(isFunction);
}

/** `function name() {}` or `const name = () => {}`, the only one of the file that is called so; else null. */
export function namedFunction(source: SourceFile, name: string): SyntaxNode | null {
  const found = source.find(isFunction).filter((candidate) => nameOf(source, candidate) === name);
  return found.length === 1 ? found[0]! : null;
}

export function nameOf(source: SourceFile, candidate: SyntaxNode): string | null {
  if (candidate.type === 'FunctionDeclaration') return dottedName(candidate['id']);
  return dottedName(declared(source, source.ancestorsOf(candidate)[0]));
}

/** Wherever the name stands for a value: not as a property, and not where it is declared. */
export function mentionsOf(source: SourceFile, name: string, within?: SyntaxNode): readonly SyntaxNode[] {
  return source.find((node) => {
    if (node.type !== 'Identifier' || node['name'] !== name) return false;
    const [parent] = source.ancestorsOf(node);
    if (parent?.type === 'MemberExpression') return parent['object'] === node || parent['computed'] === true;
    if (parent?.type === 'Property') return parent['value'] === node || parent['computed'] === true;
    if (parent !== undefined && isFunction(parent)) return parent['id'] !== node;
    return parent?.type !== 'VariableDeclarator' || parent['id'] !== node;
  }, within);
}
