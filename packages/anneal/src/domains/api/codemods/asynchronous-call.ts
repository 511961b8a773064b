import type { Measurement } from '../../../measurement/measurement.ts';
import type { Codemod } from '../../../source-change/codemod.ts';
import type { Finding } from '../../../finding/finding.ts';
import { dottedName, type Edit, isFunction, isNode, type SourceFile, type SyntaxNode } from '../../../source-change/source-file.ts';

/** Synchronous functions whose counterpart takes the same arguments and then a callback, which `promisify` turns into a promise. */
const counterparts: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['scryptSync', 'pbkdf2Sync', 'hkdfSync', 'generateKeyPairSync'],
  'node:zlib': [
    'gzipSync',
    'gunzipSync',
    'deflateSync',
    'inflateSync',
    'deflateRawSync',
    'inflateRawSync',
    'brotliCompressSync',
    'brotliDecompressSync',
  ],
  'node:fs': ['readFileSync', 'writeFileSync', 'appendFileSync', 'statSync', 'readdirSync', 'mkdirSync', 'unlinkSync'],
};

export const asynchronousCall: Codemod = {
  id: 'api/asynchronous-call',
  title: 'Calls the asynchronous form and waits for it without blocking',
  addresses: ['api/blocking-call', 'api/synchronous-io'],

  // The work takes as much CPU time as before. What goes is the wait of everybody who comes meanwhile, and of those the tail tells.
  judgedBy: (finding, measurement) => ({ metric: blockedShare(finding, measurement) >= 0.05 ? 'latency.p95' : 'latency.p99' }),

  write(source, at) {
    const call = callAt(source, at.line);
    if (call === null) return `no synchronous call with a known counterpart stands in the function at line ${at.line}`;
    const { node, name, module, specifier } = call;
    const enclosing = source.ancestorsOf(node).find(isFunction);
    if (enclosing?.['async'] !== true) return `${name} is called in a function that is not async: its callers would have to wait for it`;
    const asynchronous = name.slice(0, -'Sync'.length);
    const imported = source.ancestorsOf(specifier)[0]!;
    const edits: Edit[] = [];
    if (!isImported(source, module, asynchronous)) edits.push({ start: specifier.start, end: specifier.start, text: `${asynchronous}, ` });
    if (!isImported(source, 'node:util', 'promisify')) {
      const isRequire = imported.type !== 'ImportDeclaration';
      const line = isRequire ? "const { promisify } = require('node:util');\n" : "import { promisify } from 'node:util';\n";
      const statement = isRequire ? source.ancestorsOf(specifier).find(({ type }) => type === 'VariableDeclaration')! : imported;
      edits.push({ start: statement.start, end: statement.start, text: line });
    }
    const callee = node['callee'] as SyntaxNode;
    const awaited = `await promisify(${asynchronous})`;
    const parent = source.ancestorsOf(node)[0];
    const isHeld = parent?.type === 'MemberExpression';
    edits.push({ start: callee.start, end: callee.end, text: isHeld ? `(${awaited}` : awaited });
    if (isHeld) edits.push({ start: node.end, end: node.end, text: ')' });
    return edits;
  },
};

/** Who comes at random meets such a call with the share of the time that they take: from a twentieth on it is in p95. */
function blockedShare({ evidence }: Finding, { observations }: Measurement): number {
  const blockedMs = evidence.find(({ label }) => label === 'time in them')?.value;
  const windowMs = observations['agent.runtime']?.windowMs ?? 0;
  return typeof blockedMs === 'number' && windowMs > 0 ? blockedMs / windowMs : 0;
}

interface SynchronousCall {
  readonly node: SyntaxNode;
  readonly name: string;
  readonly module: string;
  readonly specifier: SyntaxNode;
}

/** On the line itself, else the only one in the function that holds the line: profiles name the function, not the call. */
function callAt(source: SourceFile, line: number): SynchronousCall | null {
  const calls = source
    .find(({ type }) => type === 'CallExpression')
    .flatMap((node): SynchronousCall[] => {
      const name = dottedName(node['callee']);
      if (name === null) return [];
      const module = Object.entries(counterparts).find(([, names]) => names.includes(name))?.[0];
      const specifier = module === undefined ? null : specifierOf(source, module, name);
      return module === undefined || specifier === null ? [] : [{ node, name, module, specifier }];
    });
  const onLine = calls.filter(({ node }) => source.lineOf(node.start) <= line && source.lineOf(node.end) >= line);
  if (onLine.length === 1) return onLine[0]!;
  const holders = source.find((node) => isFunction(node) && source.lineOf(node.start) <= line && source.lineOf(node.end) >= line);
  const inFunction = calls.filter(({ node }) => source.ancestorsOf(node).find(isFunction) === holders.at(-1));
  return inFunction.length === 1 ? inFunction[0]! : null;
}

/** Where the file takes `name` out of the module: an import or a destructured require, under its own name. */
function specifierOf(source: SourceFile, module: string, name: string): SyntaxNode | null {
  const bare = module.replace('node:', '');
  for (const node of source.find(({ type }) => type === 'ImportDeclaration')) {
    const from = (node['source'] as SyntaxNode)['value'];
    if (from !== module && from !== bare) continue;
    const specifier = (node['specifiers'] as readonly SyntaxNode[]).find(
      (candidate) =>
        candidate.type === 'ImportSpecifier' && dottedName(candidate['imported']) === name && dottedName(candidate['local']) === name,
    );
    if (specifier !== undefined) return specifier;
  }
  for (const node of source.find(({ type }) => type === 'VariableDeclarator')) {
    const { id, init } = node;
    if (
      !isNode(id) ||
      id.type !== 'ObjectPattern' ||
      !isNode(init) ||
      init.type !== 'CallExpression' ||
      dottedName(init['callee']) !== 'require'
    )
      continue;
    const from = (init['arguments'] as readonly SyntaxNode[])[0]?.['value'];
    if (from !== module && from !== bare) continue;
    const property = (id['properties'] as readonly SyntaxNode[]).find(
      ({ key, shorthand }) => shorthand === true && dottedName(key) === name,
    );
    if (property !== undefined) return property;
  }
  return null;
}

function isImported(source: SourceFile, module: string, name: string): boolean {
  return specifierOf(source, module, name) !== null;
}
