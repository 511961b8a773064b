import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../packages/anneal/src/adapters/free-port.ts';
import type { Assessment } from '../../packages/anneal/src/index.ts';
import { anneal, type CliResult } from '../support/anneal-cli.ts';
import { commitAll } from '../support/git-tree.ts';
import { serveScript } from '../support/served-script.ts';
import { createIdleDatabase, type IdleDatabase } from '../support/test-database.ts';

/** Each of these waits for every round of a trial that shows little: more minutes than every change of ours should wait for. */
const isThorough = process.env['ANNEAL_THOROUGH'] === '1';
if (!isThorough) process.stderr.write('SKIPPED: four of the trials of own changes; `make test-try` runs them all\n');

/** The shop in a repository of its own, as somebody has it who has just changed something. */
const source = join(import.meta.dirname, '../shop');

let place: string;
let shop: string;
let output: string;
let database: IdleDatabase;
let app: string;

const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: shop, encoding: 'utf8' });

beforeAll(async () => {
  database = await createIdleDatabase(await readFile(join(source, 'schema.sql'), 'utf8'));
  await database.query('CREATE INDEX ON order_lines (order_id)');
  // A large order: its page asks for every product on its own.
  await database.query('INSERT INTO order_lines SELECT 200000 + n, 5000, n, 1 FROM generate_series(1, 60) n');
  place = await realpath(await mkdtemp(join(tmpdir(), 'anneal-try-')));
  shop = join(place, 'shop');
  output = join(shop, '.anneal');
  await cp(source, shop, { recursive: true });
  await symlink(join(import.meta.dirname, '../../node_modules'), join(shop, 'node_modules'));
  app = await readFile(join(shop, 'app.js'), 'utf8');
  // Short slices: these changes are far beyond the noise, and what is tested is the way to the verdict.
  const config = {
    target: { start: 'node app.js', ready: '/health' },
    workload: { urls: ['/orders/5000', '/orders/7', '/products/sku-17'], ratePerSecond: 60 },
    measure: { warmupMs: 3000, windowMs: 2000 },
    trial: { sliceMs: 700, minimumEffect: 0.05, answers: 20 },
  };
  await writeFile(join(shop, 'anneal.config.json'), JSON.stringify(config));
  await writeFile(join(shop, '.gitignore'), 'node_modules\n.anneal\n');
  commitAll(shop);
}, 60_000);

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(place, { recursive: true, force: true });
});

/** A patch as `git diff` writes it, with the tree taken back to what it was. */
async function patchOf(name: string, change: (source: string) => string): Promise<string> {
  const changed = change(app);
  expect(changed).not.toBe(app);
  await writeFile(join(shop, 'app.js'), changed);
  const path = join(place, `${name}.diff`);
  await writeFile(path, git('diff'));
  await writeFile(join(shop, 'app.js'), app);
  return path;
}

async function tried(...args: readonly string[]): Promise<CliResult & { readonly assessment: Assessment }> {
  const result = await anneal(['try', ...args, '--json'], { cwd: shop, env: { DATABASE_URL: database.url } });
  expect(result.stderr).not.toContain('bug in Anneal');
  expect(result.stdout, result.stderr).toMatch(/^\{/);
  return { ...result, assessment: JSON.parse(result.stdout) as Assessment };
}

/** One statement for all products of the order: fewer round trips, and less work for the database too. */
const withoutLoop = (text: string) =>
  text.replace(
    /const items = \[\];[^]*?response\.json\(\{ \.\.\.rows\[0\], items \}\);/,
    `const ids = lines.rows.map((line) => line.product_id);
  const found = await pool.query('SELECT id, name, price_cents FROM products WHERE id = ANY($1)', [ids]);
  const byId = new Map(found.rows.map(({ id, ...product }) => [id, product]));
  const items = lines.rows.map((line) => ({ ...byId.get(line.product_id), quantity: line.quantity }));
  response.json({ ...rows[0], items });`,
  );

test('a patch that asks once instead of looping is proven: better, and equal', { timeout: 240_000 }, async () => {
  const { exitCode, stderr, assessment } = await tried('--patch', await patchOf('once', withoutLoop));
  const [trial] = assessment.trials;
  expect(trial!.verdict, stderr).toMatchObject({ decision: 'keep', performance: 'improved', equality: 'match' });
  expect(trial!).toMatchObject({ finding: null, prediction: null, remedyId: 'own/change', description: { title: 'Patch of app.js' } });
  expect(trial!.primary.metric).toBe('cpu.time');
  expect(trial!.equality.compared).toBeGreaterThan(0);
  expect(exitCode).toBe(0);
});

test('it leaves the tree, the database and the disk as they were, and its reports', async () => {
  expect(git('status', '--porcelain')).toBe('');
  expect((await database.query(`SELECT 1 FROM pg_database WHERE datname LIKE 'anneal%'`)).rowCount).toBe(0);
  const files = await readdir(join(output, 'latest'));
  expect(files).toEqual(expect.arrayContaining(['report.json', 'report.html', 'optimization-report.md']));
  expect(files.filter((name) => name.startsWith('anneal-workspace'))).toEqual([]);
  expect(await readFile(join(output, 'latest/optimization-report.md'), 'utf8')).toContain('Patch of app.js');
  const { stdout } = await anneal(['history'], { cwd: shop });
  expect(stdout).toMatch(/proven\s+Patch of app\.js/);
});

test('a patch that changes an answer is a mismatch, however fast', { timeout: 240_000 }, async () => {
  const path = await patchOf('wrong', (text) =>
    withoutLoop(text).replace('price_cents FROM products WHERE id = ANY', 'price_cents + 1 AS price_cents FROM products WHERE id = ANY'),
  );
  const { exitCode, assessment } = await tried('--patch', path);
  const [trial] = assessment.trials;
  expect(trial!.verdict).toMatchObject({ decision: 'rollback', equality: 'mismatch' });
  expect(trial!.equality.mismatches.map(({ where }) => where)).toContain('$.items[0].price_cents');
  expect(exitCode).toBe(1);
});

describe.skipIf(!isThorough)('the trials that wait for every round', () => {
  test('a patch that changes nothing is not proven, and not called worse', { timeout: 240_000 }, async () => {
    const path = await patchOf('comment', (text) => text.replace('const app =', '// An application.\nconst app ='));
    const { exitCode, assessment } = await tried('--patch', path);
    expect(['no-change', 'inconclusive']).toContain(assessment.trials[0]!.verdict.performance);
    expect(assessment.trials[0]!.equality.result).toBe('match');
    expect(exitCode).toBe(3);
  });

  test('a variable reaches the candidate only, and is no secret unless it looks like one', { timeout: 240_000 }, async () => {
    // Answers tell which environment they come from: that is the mismatch to be seen.
    await writeFile(
      join(shop, 'app.js'),
      app
        .replace('{ ok: true }', '{ max: Number(process.env.POOL_MAX ?? 10) }')
        .replace('max: 10', 'max: Number(process.env.POOL_MAX ?? 10)'),
    );
    const { exitCode, stdout, assessment } = await tried(
      '--env',
      'POOL_MAX=3',
      '--env',
      'PAYMENT_KEY=hunter2',
      '--url',
      '/health',
      '--rate',
      '60',
    );
    await writeFile(join(shop, 'app.js'), app);
    expect(assessment.trials[0]!.description.title).toBe('POOL_MAX=3 PAYMENT_KEY=…');
    expect(assessment.trials[0]!.equality.mismatches).toEqual([
      { request: expect.any(String) as string, where: '$.max', difference: '10 → 3' },
    ]);
    expect(stdout + (await readFile(join(output, 'ledger.jsonl'), 'utf8'))).not.toContain('hunter2');
    expect(exitCode).toBe(1);
  });

  test('SQL is tried on the copy of the candidate alone', { timeout: 240_000 }, async () => {
    const path = join(place, 'up.sql');
    await writeFile(path, `CREATE INDEX products_sku ON products (upper(sku)); -- one; statement\nANALYZE products;`);
    const { exitCode, stderr, assessment } = await tried(
      '--sql',
      path,
      '--url',
      '/products/sku-17',
      '--url',
      '/products/sku-4000',
      '--rate',
      '60',
    );
    expect(assessment.trials[0]!.verdict, stderr).toMatchObject({ decision: 'keep' });
    expect(assessment.trials[0]!.primary.metric).toBe('database.time');
    expect(assessment.trials[0]!.cost.diskBytes).toBeGreaterThan(0);
    expect((await database.query(`SELECT 1 FROM pg_indexes WHERE indexname = 'products_sku'`)).rowCount).toBe(0);
    expect(exitCode).toBe(0);
  });

  test(
    'two servers that run already are compared by what can be seen from outside, and the report says what cannot',
    { timeout: 240_000 },
    async () => {
      await writeFile(join(place, 'fast.js'), withoutLoop(app));
      await symlink(join(shop, 'node_modules'), join(place, 'node_modules'));
      await using a = await serve(join(shop, 'app.js'));
      await using b = await serve(join(place, 'fast.js'));
      const { assessment } = await tried('--url-a', a.url, '--url-b', b.url);
      const [trial] = assessment.trials;
      expect(trial!.primary.metric).toBe('latency.p50');
      expect(trial!.equality.result).toBe('match');
      expect(trial!.guards.map(({ metric }) => metric)).toEqual(['latency.p95', 'latency.p99', 'errors']);
      expect(trial!.description.reservations).toHaveLength(2);
      expect(assessment.overall).toBeNull();

      const writes = await anneal(['try', '--url-a', a.url, '--url-b', b.url, '--url', 'POST /orders/7/notes {"text":"x"}'], { cwd: shop });
      expect(writes.stderr).toContain('ANNEAL_WORKLOAD_WRITES');
      const absent = await anneal(['try', '--url-a', a.url, '--url-b', `http://127.0.0.1:${await freePort()}`], { cwd: shop });
      expect(absent.stderr).toContain('ANNEAL_TARGET_UNREACHABLE');
      expect(absent.stderr).not.toContain('noise floor');
      expect(absent.exitCode).toBe(4);
    },
  );
});

const serve = (script: string) =>
  serveScript([script], {
    env: { DATABASE_URL: database.url },
    isUp: async (url) => (await fetch(`${url}/health`)).status === 200,
  });
