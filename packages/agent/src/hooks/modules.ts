import { readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Observer } from '../observer.ts';

/** What a package's module goes through before the application gets it. Each returns what the module exports. */
export interface ModuleHooks {
  readonly pgClient: (exported: unknown) => unknown;
  readonly pgPool: (exported: unknown) => unknown;
}

/** Where appended code finds the hooks: a registered symbol, because module text has no other way to reach us. */
const meetingPoint = Symbol.for('@anneal/agent');

/** The only files that are touched, by a line at their end, so that their own lines keep their numbers. */
const files = [
  { pattern: /\/node_modules\/pg\/lib\/client\.js$/, hook: 'pgClient', versionAt: '../package.json' },
  { pattern: /\/node_modules\/pg-pool\/index\.js$/, hook: 'pgPool', versionAt: './package.json' },
] as const;

/**
 * Meets drivers as they are loaded: by `require` or `import`, early or late, one copy or several.
 * Everything else passes through unread. `registerHooks` exists from Node 22.15 and 23.5 on.
 */
export function hookModules(observer: Observer, hooks: ModuleHooks): void {
  if (typeof module.registerHooks !== 'function') {
    observer.problems.note('drivers are not observed: this Node has no module.registerHooks');
    return;
  }
  Object.defineProperty(globalThis, meetingPoint, { value: Object.freeze(hooks), configurable: true });
  module.registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const file = files.find(({ pattern }) => pattern.test(url));
      if (file === undefined || loaded.format === 'module' || loaded.source === undefined || loaded.source === null) return loaded;
      try {
        const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
        observer.hooks.add(`${file.hook === 'pgClient' ? 'pg' : 'pg-pool'} ${versionOf(url, file.versionAt)}`);
        return {
          ...loaded,
          source: `${source}\n;module.exports = globalThis[Symbol.for('@anneal/agent')].${file.hook}(module.exports);`,
        };
      } catch (error) {
        observer.problems.note(`${url} could not be hooked: ${error instanceof Error ? error.message : String(error)}`);
        return loaded;
      }
    },
  });
}

function versionOf(url: string, manifest: string): string {
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL(manifest, url)), 'utf8')) as { readonly version?: unknown };
  return typeof version === 'string' ? version : '';
}
