import { existsSync, readFileSync, statSync } from 'node:fs';
import { findSourceMap } from 'node:module';
import { isAbsolute, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SourceMapReader, type Origin, type SourceMapPayload } from './source-map.ts';

/** Where a place in a script was written; the script's own place where nothing tells. Lines and columns count from 1. */
export interface ScriptOrigin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** In a bundle: that the code is a package's, not the application's. */
  readonly ofPackage: boolean;
}

/** What a script says of where its code was written. */
interface Script {
  originOf(line: number, column: number): Origin | null;
  isPackage(line: number): boolean;
}

const mostScripts = 1_000;
const scripts = new Map<string, Script>();

/** A larger script or map would be read for longer than a request should wait, once: some 5 ms per MB. */
const mostBytes = 16_000_000;

/**
 * Follows the maps the process keeps (`--enable-source-maps`, tsx), else the one the script names, read
 * once. A bundle without one is told apart by the comments that esbuild begins each file's code with.
 */
export function originIn(file: string, line: number, column: number): ScriptOrigin {
  const script = scriptOf(file);
  const origin = script.originOf(line, column);
  if (origin === null) return { file, line, column, ofPackage: script.isPackage(line) };
  return {
    file: origin.source,
    line: origin.line,
    column: origin.column,
    ofPackage: origin.source.includes(`${sep}node_modules${sep}`),
  };
}

function scriptOf(file: string): Script {
  const known = scripts.get(file);
  if (known !== undefined) return known;
  if (scripts.size >= mostScripts) return unmapped;
  const script = readScript(file);
  scripts.set(file, script);
  return script;
}

const unmapped: Script = { originOf: () => null, isPackage: () => false };

function readScript(file: string): Script {
  try {
    const kept = findSourceMap(file);
    const text = statSync(file).size <= mostBytes ? readFileSync(file, 'utf8') : '';
    const payload = kept?.payload ?? payloadOf(text, file);
    return payload === null ? bundle(text) : mapped(payload, baseOf(text, file));
  } catch {
    return unmapped;
  }
}

const mapComment = /^[ \t]*\/\/[#@] sourceMappingURL=(?<url>\S+)[ \t]*$/gm;

function mapUrl(text: string): string | null {
  const at = text.lastIndexOf('sourceMappingURL=');
  if (at === -1) return null;
  mapComment.lastIndex = text.lastIndexOf('\n', at) + 1;
  return mapComment.exec(text)?.groups?.['url'] ?? null;
}

/** What relative sources are relative to: the map, which lies beside the script when it is a part of it. */
function baseOf(text: string, file: string): URL {
  const url = mapUrl(text);
  const script = pathToFileURL(file);
  return url === null || url.startsWith('data:') ? script : new URL(url, script);
}

function payloadOf(text: string, file: string): SourceMapPayload | null {
  const url = mapUrl(text);
  if (url === null) return null;
  const inline = /^data:application\/json[^,]*?(?<base64>;base64)?,(?<content>.*)$/s.exec(url)?.groups;
  if (inline !== undefined) {
    const content = inline['content'] ?? '';
    return asPayload(inline['base64'] === undefined ? decodeURIComponent(content) : Buffer.from(content, 'base64').toString('utf8'));
  }
  const path = fileURLToPath(new URL(url, pathToFileURL(file)));
  return statSync(path).size > mostBytes ? null : asPayload(readFileSync(path, 'utf8'));
}

function asPayload(text: string): SourceMapPayload | null {
  const { mappings, sources, sourceRoot } = JSON.parse(text) as {
    readonly mappings?: unknown;
    readonly sources?: unknown;
    readonly sourceRoot?: unknown;
  };
  if (typeof mappings !== 'string' || !Array.isArray(sources)) return null;
  const root = typeof sourceRoot === 'string' && sourceRoot !== '' ? `${sourceRoot.replace(/\/$/, '')}/` : '';
  return { mappings, sources: sources.map((source) => `${root}${String(source)}`) };
}

function mapped({ mappings, sources }: SourceMapPayload, base: URL): Script {
  const paths = sources.map((source) => pathOf(source, base));
  const reader = new SourceMapReader({ mappings, sources: sources.map((_, index) => String(index)) });
  return {
    originOf(line, column) {
      const origin = reader.originOf(line, column);
      const path = origin === null ? null : (paths[Number(origin.source)] ?? null);
      return origin === null || path === null ? null : { ...origin, source: path };
    },
    isPackage: () => false,
  };
}

/** Bundlers make up schemes of their own (`webpack://shop/./src/a.ts`): such a path counts from where the process runs, if it is there. */
function pathOf(source: string, base: URL): string | null {
  if (source.startsWith('file:')) return fileURLToPath(source);
  if (isAbsolute(source)) return source;
  const invented = /^(?!file:)[a-z][\w+.-]*:\/\/[^/]*\/(?<path>.+)$/.exec(source)?.groups?.['path'];
  if (invented === undefined) return fileURLToPath(new URL(encodeURI(source), base));
  const path = resolve(invented.replace(/\?.*$/, ''));
  return existsSync(path) || path.includes(`${sep}node_modules${sep}`) ? path : null;
}

/** `// node_modules/pg/lib/client.js`: the file whose code follows, until the next such line. */
const beginOfFile = /^[ \t]*\/\/ (?<path>\S+\.[cm]?[jt]sx?)$/gm;

function bundle(text: string): Script {
  if (!/^[ \t]*\/\/ \S*node_modules\/\S+$/m.test(text)) return unmapped;
  const begins: { readonly line: number; readonly package: boolean }[] = [];
  let line = 1;
  let at = 0;
  for (const match of text.matchAll(beginOfFile)) {
    for (let next = text.indexOf('\n', at); next !== -1 && next < match.index; next = text.indexOf('\n', at)) {
      line += 1;
      at = next + 1;
    }
    begins.push({ line, package: (match.groups?.['path'] ?? '').includes('node_modules/') });
  }
  return { originOf: () => null, isPackage: (asked) => begins.findLast((begin) => begin.line <= asked)?.package ?? false };
}
