import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Assessment } from '../../packages/anneal/src/index.ts';
import { anneal } from '../support/anneal-cli.ts';
import { createIdleDatabase, type IdleDatabase } from '../support/test-database.ts';

/** A backend that Anneal's agent does not look into: all that is known of it are the traces its own OpenTelemetry SDK exports. */
const shop = join(import.meta.dirname, '../shop');
let database: IdleDatabase;
let output: string;

beforeAll(async () => {
  database = await createIdleDatabase(await readFile(join(shop, 'schema.sql'), 'utf8'));
  output = await mkdtemp(join(tmpdir(), 'anneal-traces-'));
}, 60_000);

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(output, { recursive: true, force: true });
});

test('anneal diagnose --otlp finds the loop and the missing indexes from exported traces', { timeout: 120_000 }, async () => {
  const start = 'node --require @opentelemetry/auto-instrumentations-node/register app.js';
  const urls = ['/customers/17/orders', '/orders/5000', '/products/sku-17'].flatMap((url) => ['--url', url]);
  const { stdout, stderr, exitCode } = await anneal(
    ['diagnose', '--otlp', '--start', start, ...urls, '--window', '12', '--output', output, '--json'],
    { cwd: shop, env: { DATABASE_URL: database.url } },
  );
  expect(stderr).not.toContain('bug in Anneal');
  expect(exitCode).toBe(0);
  const { findings, windows } = JSON.parse(stdout) as Assessment;
  const rules = findings.map(({ ruleId }) => ruleId);
  expect(rules).toContain('database/missing-foreign-key-index');
  const loop = findings.find(({ ruleId }) => ruleId === 'api/sequential-n-plus-one');
  expect(loop?.message).toContain('FROM products WHERE id = $1');
  const route = windows[0]!.routes.find((candidate) => candidate.route === 'GET /orders/:id');
  // Spans are exported after their requests: none of a window is missing.
  const sent = windows[0]!.load!.steps.find(({ name }) => name === 'GET /orders/5000')!.requests;
  expect(route!.requests).toBe(sent);
});
