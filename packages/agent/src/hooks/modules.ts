import { readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Observer } from '../observer.ts';
import { BundledClasses } from './bundled-classes.ts';
import { isImportedCommonJs, loadedByRequire, misloadsImported } from './imported-commonjs.ts';
import type { KnownVersions, Library, LibraryFile } from './library.ts';

/** Where appended code finds the agent: a registered symbol, because module text has no other way to reach us. */
const meetingPoint = "globalThis[Symbol.for('@anneal/agent')]";

/** A file of a package: its URL up to the package, the package's name, the path from there on. */
const packageFile = /^(?<folder>.*\/node_modules\/(?<name>(?:@[^/]+\/)?[^/]+))\/(?<path>.+)$/s;

interface Known {
  readonly file: LibraryFile;
  readonly name: string;
  readonly versions: KnownVersions;
}

/**
 * Meets libraries as they are loaded: by `require` or `import`, early or late, one copy or several.
 * Only the listed files are touched, by a line at their end, so that their own lines keep their
 * numbers. The application's own files are read for libraries compiled into them; packages' pass through unread.
 */
export function hookModules(observer: Observer, libraries: readonly Library[]): void {
  const byPath = knownFiles(observer, libraries);
  const bundled = new BundledClasses(
    [...byPath.values()].map(({ file }) => file),
    {
      expect: ({ path }) => {
        if (!observer.hooks.has(inBundle(path))) observer.hooks.add(unusedInBundle(path));
      },
      meet: meetInBundle,
      giveUp: ({ path }) =>
        observer.problems.note(`${nameOf(path)} in a bundle is not observed: it made no query before a million promises were made`),
    },
  );
  const meet = (path: string, exported: unknown): unknown => {
    try {
      const file = byPath.get(path)?.file;
      if (file === undefined) return exported;
      bundled.metInFile(file, exported);
      return file.meet(exported) ?? exported;
    } catch (error) {
      cannotHook(path, error);
      return exported;
    }
  };
  Object.defineProperty(globalThis, Symbol.for('@anneal/agent'), { value: Object.freeze({ meet, cannotHook }), configurable: true });
  const misloads = misloadsImported(process.versions.node);
  module.registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (misloads && isImportedCommonJs(context.conditions, loaded)) return loadedByRequire(url, loaded);
      const { folder, name, path } = packageFile.exec(url)?.groups ?? {};
      if (folder === undefined || name === undefined) {
        lookIn(url, loaded.source);
        return loaded;
      }
      const known = byPath.get(`${name}/${path}`);
      if (known === undefined || loaded.source === undefined || loaded.source === null) return loaded;
      try {
        const version = versionOf(folder);
        if (!isWithin(version, known.versions)) {
          const [from, below] = known.versions;
          observer.problems.note(`${name} ${version} is not observed: the agent knows versions from ${from} to below ${below}`);
          return loaded;
        }
        const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
        const line = loaded.format === 'module' ? moduleLine(known.file, source) : commonJsLine(known.file);
        if (line === null) return loaded;
        observer.hooks.add(`${name} ${version}`);
        return { ...loaded, source: `${source}\n${line}` };
      } catch (error) {
        cannotHook(url, error);
        return loaded;
      }
    },
  });

  function lookIn(url: string, source: unknown): void {
    try {
      if (typeof source === 'string' || source instanceof Uint8Array) bundled.lookIn(source);
    } catch (error) {
      cannotHook(url, error);
    }
  }

  function meetInBundle(file: LibraryFile, exported: unknown): void {
    observer.hooks.delete(unusedInBundle(file.path));
    try {
      file.meet(exported);
      observer.hooks.add(inBundle(file.path));
    } catch (error) {
      cannotHook(`${file.path} in a bundle`, error);
    }
  }

  function nameOf(path: string): string {
    return byPath.get(path)?.name ?? path;
  }

  function inBundle(path: string): string {
    return `${nameOf(path)} (bundled)`;
  }

  /** Named before it is observed: a policy that has to see every write must know that another driver is there. */
  function unusedInBundle(path: string): string {
    return `${nameOf(path)} (bundled, not in use yet)`;
  }

  function cannotHook(what: string, error: unknown): void {
    observer.problems.note(`${what} could not be hooked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function knownFiles(observer: Observer, libraries: readonly Library[]): ReadonlyMap<string, Known> {
  const byPath = new Map<string, Known>();
  for (const { packages, files } of libraries) {
    for (const file of files(observer)) {
      const name = Object.keys(packages).find((candidate) => file.path.startsWith(`${candidate}/`));
      if (name !== undefined) byPath.set(file.path, { file, name, versions: packages[name]! });
    }
  }
  return byPath;
}

function commonJsLine({ path }: LibraryFile): string {
  return `;module.exports = ${meetingPoint}.meet(${JSON.stringify(path)}, module.exports);`;
}

/** A name that is gone or cannot be assigned throws here, in the library's own module: that must stay without effect. */
function moduleLine({ path, names }: LibraryFile, source: string): string | null {
  if (names === undefined) return null;
  const bindings = names.map((name) => ({ name, local: localName(source, name) }));
  const handedOver = bindings.map(({ name, local }) => `${name}: ${local}`).join(', ');
  const assignments = bindings.map(({ name, local }) => `if (met.${name} !== ${local}) ${local} = met.${name};`).join(' ');
  const at = JSON.stringify(path);
  return `;try { const met = ${meetingPoint}.meet(${at}, { ${handedOver} }); ${assignments} } catch (error) { ${meetingPoint}.cannotHook(${at}, error); }`;
}

/** What the module itself calls an export; minifiers rename. */
function localName(source: string, name: string): string {
  return new RegExp(`export\\s*\\{[^}]*?(?<local>[\\w$]+) as ${name}[,\\s}]`).exec(source)?.groups?.['local'] ?? name;
}

function versionOf(folder: string): string {
  const { version } = JSON.parse(readFileSync(fileURLToPath(`${folder}/package.json`), 'utf8')) as { readonly version?: unknown };
  return typeof version === 'string' ? version : 'without a version';
}

function isWithin(version: string, [from, below]: KnownVersions): boolean {
  return order(version, from) >= 0 && order(version, below) < 0;
}

/** By major, then by minor. */
function order(one: string, other: string): number {
  const [major = Number.NaN, minor = 0] = one.split('.', 2).map(Number);
  const [otherMajor = Number.NaN, otherMinor = 0] = other.split('.', 2).map(Number);
  return major === otherMajor ? minor - otherMinor : major - otherMajor;
}
