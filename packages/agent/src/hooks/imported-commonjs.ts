import module from 'node:module';
import { fileURLToPath } from 'node:url';

interface Loaded {
  readonly format?: string | null | undefined;
  readonly source?: unknown;
}

/**
 * As soon as anybody registers a `load` hook, Node before 22.22.3 and 24.13, and 23 and 25, runs CommonJS that is imported, as an entry file is
 * under `--import`, by a loader which links every `require` as if it were an import. Files that require each other in a circle, as some below
 * Express do, end the application there ("request for './index.js' is not in cache", "module is not linked").
 */
export const misloadsImported = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major === 22) return minor < 22 || (minor === 22 && patch < 3);
  return major === 23 || major === 25 || (major === 24 && minor < 13);
};

/** Takes the place in the cache that was meant for it, so that whoever requires the file gets the one module there is. */
const byRequire =
  "const loader = process.getBuiltinModule('node:module'); delete loader._cache[__filename]; module.exports = loader._load(__filename, undefined, process.mainModule === module); return;";

/** Node's table of what `require` has loaded or begun to load; the types leave it out. */
const required = (module as unknown as { readonly _cache: Readonly<Record<string, unknown>> })._cache;

/**
 * The file for an import, such that `require`'s own loader runs it, once: for that loader the hook is asked again. Its
 * text stays behind the first line and never runs; the names of its exports are found in it.
 */
export function loadedByRequire<Of extends Loaded>(url: string, loaded: Of): Of {
  const first = required[fileURLToPath(url)] === undefined ? byRequire : 'return;';
  // Types would not parse as JavaScript; the names are lost then, and an entry file's are not asked for.
  if (loaded.format === 'commonjs-typescript') return { ...loaded, format: 'commonjs', source: first };
  const text = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
  return { ...loaded, source: `${first}${text.replace(/^#!.*/u, '')}` };
}

export function isImportedCommonJs(conditions: Iterable<string>, { format, source }: Loaded): boolean {
  return source !== null && source !== undefined && format?.startsWith('commonjs') === true && new Set(conditions).has('import');
}
