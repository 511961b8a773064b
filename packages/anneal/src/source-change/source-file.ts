import { parseSync, type Program } from 'oxc-parser';

/** A node of the syntax tree, as far as codemods look at it (ESTree with TypeScript). */
export interface SyntaxNode {
  readonly type: string;
  /** Offsets into the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly [property: string]: unknown;
}

export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** One source file, parsed. Lines count from 1. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  /** The node's own text. */
  textOf(node: SyntaxNode): string;
  /** Nodes that hold it, the nearest first. */
  ancestorsOf(node: SyntaxNode): readonly SyntaxNode[];
  /** Every node of which `wanted` is true, in order of their beginnings. */
  find(wanted: (node: SyntaxNode) => boolean, within?: SyntaxNode): readonly SyntaxNode[];
  lineOf(offset: number): number;
  /** The blanks at the beginning of the line that the offset lies in. */
  indentationAt(offset: number): string;
}

/** Null when the text is not JavaScript or TypeScript that can be parsed. */
export function parseSource(path: string, text: string): SourceFile | null {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) return null;
  const parents = new Map<SyntaxNode, SyntaxNode>();
  const nodes: SyntaxNode[] = [];
  collect(program as unknown as SyntaxNode);
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineOf = (offset: number) => lineStarts.findLastIndex((start) => start <= offset) + 1;
  return {
    path,
    text,
    program,
    textOf: ({ start, end }) => text.slice(start, end),
    ancestorsOf(node) {
      const found: SyntaxNode[] = [];
      for (let parent = parents.get(node); parent !== undefined; parent = parents.get(parent)) found.push(parent);
      return found;
    },
    find: (wanted, within) =>
      nodes.filter((node) => (within === undefined || (node.start >= within.start && node.end <= within.end)) && wanted(node)),
    lineOf,
    indentationAt: (offset) => /^[ \t]*/.exec(text.slice(lineStarts[lineOf(offset) - 1]))![0],
  };

  function collect(node: SyntaxNode): void {
    nodes.push(node);
    for (const value of Object.values(node)) {
      for (const inner of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
        if (!isNode(inner)) continue;
        parents.set(inner, node);
        collect(inner);
      }
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { readonly type?: unknown }).type === 'string' && 'start' in value;
}

/** The text with all edits made. Throws where two of them overlap. */
export function edited(text: string, edits: readonly Edit[]): string {
  let result = '';
  let position = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (edit.start < position) throw new Error('two edits overlap');
    result += text.slice(position, edit.start) + edit.text;
    position = edit.end;
  }
  return result + text.slice(position);
}

const functions = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

export function isFunction(node: SyntaxNode): boolean {
  return functions.has(node.type);
}

/** `name` for an identifier, `a.b` for members that are written out; null for everything computed. */
export function dottedName(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type === 'Identifier') return String(node['name']);
  if (node.type === 'ThisExpression') return 'this';
  if (node.type !== 'MemberExpression' || node['computed'] === true || node['optional'] === true) return null;
  const object = dottedName(node['object']);
  const property = node['property'];
  return object === null || !isNode(property) ? null : `${object}.${String(property['name'])}`;
}
