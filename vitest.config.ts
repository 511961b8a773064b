import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Vite's own server defaults, with ours in front. */
const sourceConditions = ['@anneal/source', 'module', 'node', 'development|production'];

const shared = {
  resolve: { conditions: sourceConditions },
  ssr: { resolve: { conditions: sourceConditions } },
};

const sharedTest = {
  globalSetup: ['test/support/global-postgres.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  env: {
    // Child processes and workers that tests start resolve our packages to their sources too,
    NODE_OPTIONS: '--conditions=@anneal/source',
    // and compile them once for all of them: of a command line's start that is half.
    NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled'),
  },
  // A second, the default, is little where two files and their servers share two cores; what never comes fails as before.
  expect: { poll: { timeout: 20_000 } },
};

export default defineConfig({
  test: {
    // Two cores: more workers only make the real processes under test wait for each other.
    maxWorkers: 2,
    projects: [
      {
        ...shared,
        test: {
          ...sharedTest,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/*.test.ts', 'test/crash/**/*.test.ts', 'lab/**/*.test.ts'],
        },
      },
      // What measures has the machine for itself.
      { ...shared, test: { ...sharedTest, name: 'end-to-end', include: ['test/end-to-end/**/*.test.ts'], fileParallelism: false } },
      { ...shared, test: { ...sharedTest, name: 'lab', include: ['test/lab/**/*.test.ts'], fileParallelism: false } },
      // Of PostgreSQL and of Node, in other versions than ours; each starts its own.
      {
        ...shared,
        test: { ...sharedTest, globalSetup: [], name: 'versions', include: ['test/versions/**/*.test.ts'], fileParallelism: false },
      },
    ],
  },
});
