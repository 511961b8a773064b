import { defineConfig } from 'vitest/config';

/** Vite's own server defaults, with ours in front. */
const sourceConditions = ['@anneal/source', 'module', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions: sourceConditions },
  ssr: { resolve: { conditions: sourceConditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'lab/**/*.test.ts'],
    globalSetup: ['test/support/global-postgres.ts'],
    // Two cores: more workers only make the real processes under test wait for each other.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Child processes and workers that tests start resolve our packages to their sources too.
    env: { NODE_OPTIONS: '--conditions=@anneal/source' },
  },
});
