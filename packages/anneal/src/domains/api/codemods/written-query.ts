import { dottedName, isNode, type SourceFile, type SyntaxNode } from '../../../source-change/source-file.ts';

/** `client.query('text', [values])`, whose text stands in the file. */
export interface WrittenQuery {
  readonly node: SyntaxNode;
  /** `pool`, `this.db`. */
  readonly client: string;
  readonly sql: WrittenText;
  readonly values: readonly SyntaxNode[];
}

export interface WrittenText {
  /** What is sent. */
  readonly value: string;
  /** Between its quotes, as it is written. */
  readonly raw: string;
  readonly quote: string;
}

/** Those that begin on the line or whose arguments do, the innermost first. */
export function queriesAt(source: SourceFile, line: number): readonly WrittenQuery[] {
  const calls = source.find(
    (node) => node.type === 'CallExpression' && source.lineOf(node.start) <= line && source.lineOf(node.end) >= line,
  );
  return calls.toReversed().flatMap((node): WrittenQuery[] => {
    const { callee } = node;
    if (!isNode(callee) || callee.type !== 'MemberExpression') return [];
    const client = dottedName(callee['object']);
    if (client === null || dottedName(callee) !== `${client}.query`) return [];
    const [text, values, ...rest] = node['arguments'] as readonly SyntaxNode[];
    const sql = writtenText(source, text);
    const elements = values === undefined ? [] : values.type === 'ArrayExpression' ? (values['elements'] as readonly unknown[]) : null;
    if (sql === null || elements === null || rest.length > 0) return [];
    return elements.every((element) => isNode(element) && element.type !== 'SpreadElement')
      ? [{ node, client, sql, values: elements as readonly SyntaxNode[] }]
      : [];
  });
}

/** A literal, or a constant of this file that is one. */
function writtenText(source: SourceFile, node: SyntaxNode | undefined): WrittenText | null {
  if (node === undefined) return null;
  const raw = source.textOf(node).slice(1, -1);
  if (node.type === 'Literal' && typeof node['value'] === 'string') return { value: node['value'], raw, quote: source.textOf(node)[0]! };
  if (node.type === 'TemplateLiteral' && (node['expressions'] as readonly unknown[]).length === 0) return { value: raw, raw, quote: '`' };
  if (node.type !== 'Identifier') return null;
  const declared = source.find((candidate) => candidate.type === 'VariableDeclarator' && dottedName(candidate['id']) === node['name']);
  const [declaration] = declared;
  const initial = declaration?.['init'];
  const isConstant = declaration !== undefined && source.ancestorsOf(declaration)[0]?.['kind'] === 'const';
  return declared.length === 1 && isConstant && isNode(initial) && initial.type !== 'Identifier' ? writtenText(source, initial) : null;
}

export function propertyName(member: SyntaxNode): string | null {
  const { property } = member;
  return member['computed'] !== true && isNode(property) ? String(property['name']) : null;
}

/** The name, or it with a number, that the file does not use yet. */
export function freeName({ text }: SourceFile, wanted: string): string {
  let name = wanted;
  for (let number = 2; new RegExp(`\\b${name}\\b`).test(text); number += 1) name = `${wanted}${number}`;
  return name;
}
