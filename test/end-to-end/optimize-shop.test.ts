import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Assessment } from '../../packages/anneal/src/index.ts';
import { anneal, type CliResult } from '../support/anneal-cli.ts';
import { createIdleDatabase, type IdleDatabase } from '../support/test-database.ts';

/**
 * A backend that is not the laboratory: Express, CommonJS, its own schema. Anneal is told where its database is, how it
 * starts and which URLs to call, and nothing else.
 */
const shop = join(import.meta.dirname, '../shop');
const urls = [
  '/customers/17/orders',
  '/customers/400/orders',
  '/orders/5000',
  '/products/sku-17',
  'POST /orders/7/notes {"text":"left with the neighbour"}',
];
const target = ['--start', 'node app.js', ...urls.flatMap((url) => ['--url', url])];

let database: IdleDatabase;
let output: string;
let optimized: CliResult;
let assessment: Assessment;

const indexesOf = async () => {
  const { rows } = await database.query<{ indexdef: string }>(
    `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'anneal%'`,
  );
  return rows.map((row) => row.indexdef.replace(/INDEX \S+ ON/, 'INDEX ON')).toSorted();
};
const run = (...args: readonly string[]) => anneal([...args, '--output', output], { cwd: shop, env: { DATABASE_URL: database.url } });

beforeAll(async () => {
  database = await createIdleDatabase(await readFile(join(shop, 'schema.sql'), 'utf8'));
  output = await mkdtemp(join(tmpdir(), 'anneal-shop-'));
}, 60_000);

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(output, { recursive: true, force: true });
});

describe('anneal optimize on a backend it has never seen', () => {
  test('runs to its end with only a database, a start command and a list of URLs', { timeout: 600_000 }, async () => {
    optimized = await run('optimize', ...target, '--window', '15', '--within', '2', '--json');
    expect(optimized.stderr).not.toContain('bug in Anneal');
    expect(optimized.exitCode).toBe(0);
    assessment = JSON.parse(optimized.stdout) as Assessment;
  });

  test('finds the unindexed references, the expression and the loop of queries, at their lines', () => {
    const found = assessment.findings.map((finding) => `${finding.ruleId} ${finding.locations[0]?.file}:${finding.locations[0]?.line}`);
    expect(found).toEqual(
      expect.arrayContaining([
        'database/missing-foreign-key-index app.js:12',
        'database/missing-foreign-key-index app.js:18',
        'api/sequential-n-plus-one app.js:21',
      ]),
    );
  });

  test('keeps what it proved with equal answers, and puts exactly that into the database', async () => {
    const kept = assessment.trials.filter((trial) => trial.verdict.decision === 'keep');
    // All three are far beyond any noise; on a machine that is taken away half the time a guard may stay undecided.
    expect(kept.length).toBeGreaterThanOrEqual(1);
    expect(kept.every((trial) => trial.equality.result === 'match' && trial.primary.change.upper < 0)).toBe(true);
    const inDatabase = kept.filter((trial) => trial.description.sql !== null);
    expect(inDatabase.length).toBeGreaterThanOrEqual(1);
    const names = inDatabase.map((trial) =>
      trial.description.title.replace(/^Index (\S+) \((.*)\)$/, 'CREATE INDEX ON public.$1 USING btree ($2)'),
    );
    expect(await indexesOf()).toEqual(names.toSorted());
  });

  test('writes every report', async () => {
    const files = await readdir(join(output, 'latest'));
    expect(files).toEqual(expect.arrayContaining(['report.json', 'report.html', 'optimization-report.md', 'slow-query-fixes', 'changes']));
  });

  test('writes the loop of queries as one statement, as a patch that applies to the source', async () => {
    const folder = join(output, 'latest', 'changes');
    const name = (await readdir(folder)).find((file) => file.endsWith('-n-plus-one.patch'));
    expect(await readFile(join(folder, name!), 'utf8')).toContain('FROM products WHERE id = ANY($1)');
    await promisify(execFile)('git', ['apply', '--check', join(folder, name!)], { cwd: shop });
  });

  test('leaves no copy behind', async () => {
    const { rows } = await database.query(`SELECT datname FROM pg_database WHERE datname LIKE 'anneal%'`);
    expect(rows).toEqual([]);
  });

  test('never writes the database password or a parameter', async () => {
    const ledger = await readFile(join(output, 'ledger.jsonl'), 'utf8');
    const report = await readFile(join(output, 'latest', 'report.json'), 'utf8');
    const { password } = new URL(database.url);
    for (const text of [ledger, report, optimized.stderr]) {
      expect(text).not.toContain(password);
      expect(text).not.toContain('left with the neighbour');
    }
  });
});

describe('afterwards', () => {
  test('history tells what is kept', async () => {
    const { stdout } = await run('history');
    expect(stdout).toMatch(/ kept\s+Index /);
  });

  test('rollback --all leaves the database as it was', async () => {
    const { exitCode } = await run('rollback', '--all');
    expect(exitCode).toBe(0);
    expect(await indexesOf()).toEqual([]);
    expect((await run('history')).stdout).not.toMatch(/ kept /);
  });

  test('a ledger with a changed byte is refused, and nothing is done', async () => {
    const path = join(output, 'ledger.jsonl');
    const ledger = await readFile(path, 'utf8');
    await writeFile(path, ledger.replace('optimize', 'optimise'));
    const { exitCode, stderr } = await run('history');
    expect(stderr).toContain('ANNEAL_LEDGER_BROKEN');
    expect(exitCode).toBe(4);
    await writeFile(path, ledger);
  });
});
