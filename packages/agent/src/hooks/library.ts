import type { Observer } from '../observer.ts';

/**
 * A library the agent meets as its files are loaded: what it is called, which versions the agent
 * knows, and what is installed. One file each in this folder, one line in `libraries.ts`.
 */
export interface Library {
  /** By npm name; several where one hook spans them. Other versions are left alone, with a sentence in the problems. */
  readonly packages: Readonly<Record<string, KnownVersions>>;
  /** The files of those packages that are met. Called once per process. */
  readonly files: (observer: Observer) => readonly LibraryFile[];
}

/** `[from, below]` as `major.minor`: the versions whose files have the shape that is relied on. */
export type KnownVersions = readonly [from: string, below: string];

export interface LibraryFile {
  /** Package name and path within it: `pg/lib/client.js`. */
  readonly path: string;
  /**
   * An ES module's top-level names that are handed over; none for CommonJS, which hands over its
   * `module.exports`. Importers see a binding live, so what comes back under a name replaces it
   * where it was declared by `class`, `function`, `let` or `var`.
   */
  readonly names?: readonly string[];
  /**
   * Called at the end of the file's own code with what it exports (ES modules: an object of `names`);
   * returns what importers shall get, mostly the same. What it throws is noted, and the file stays as it was.
   */
  readonly meet: (exported: unknown) => unknown;
  /** For a class of event emitters or promises: how it is known inside a bundle, which leaves neither path nor version (see `bundled-classes.ts`). */
  readonly bundled?: BundledClass;
}

export interface BundledClass {
  /** Its own methods that the hook relies on; first one that hardly another class has, with plain parameters. */
  readonly methods: readonly [string, ...string[]];
  /** The name under which the file exports it; none where it is all that the file exports. */
  readonly as?: string;
  /** Its objects are promises; otherwise event emitters. */
  readonly isPromise?: true;
}
