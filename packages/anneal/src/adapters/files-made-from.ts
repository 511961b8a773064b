import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** A larger script is no backend's own, and its map would be read for longer than it is worth. */
const mostBytes = 16_000_000;

/**
 * The scripts below `root` whose source map (ECMA-426) names the file at `path`, whatever wrote them: tsc, a bundler.
 * Installed packages are left out; a script or a map that cannot be read names nothing.
 */
export async function filesMadeFrom(root: string, path: string): Promise<readonly string[]> {
  const made: string[] = [];
  for await (const script of scriptsBelow(root)) {
    if (script !== path && (await sourcesOf(script)).some((source) => isMeant(source, path))) made.push(script);
  }
  return made.toSorted();
}

async function* scriptsBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules' && entry.name !== '.git') yield* scriptsBelow(path);
    if (entry.isFile() && /\.[cm]?js$/.test(entry.name) && (await stat(path)).size <= mostBytes) yield path;
  }
}

/** Where they lie, or with the scheme that a bundler put in front of them. */
async function sourcesOf(script: string): Promise<readonly string[]> {
  try {
    const url = /[#@] sourceMappingURL=(\S+)\s*$/.exec(await readFile(script, 'utf8'))?.[1];
    if (url === undefined) return [];
    const inline = /^data:[^,]*;base64,(.*)$/.exec(url)?.[1];
    const map = inline === undefined ? resolve(dirname(script), decodeURIComponent(url)) : script;
    const text = inline === undefined ? await readFile(map, 'utf8') : Buffer.from(inline, 'base64').toString();
    const { sources, sourceRoot } = JSON.parse(text) as { readonly sources?: unknown; readonly sourceRoot?: unknown };
    const base = resolve(dirname(map), typeof sourceRoot === 'string' ? sourceRoot : '');
    const named = Array.isArray(sources) ? sources.filter((source) => typeof source === 'string') : [];
    return named.map((source) => (source.includes('://') ? source : resolve(base, source)));
  } catch {
    return [];
  }
}

/** `webpack://shop/./src/app.ts?a1b2` counts from a folder that only the bundler knew. */
function isMeant(source: string, path: string): boolean {
  if (!source.includes('://')) return source === path;
  const tail = source.replace(/^\w+:\/\/[^/]*\//, '').replace(/\?.*$/, '');
  return path.endsWith(join('/', tail));
}
