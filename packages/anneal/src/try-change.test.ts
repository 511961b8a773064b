import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOutside } from './adapters/outside.ts';
import { resolveSettings, type Settings } from './config.ts';
import { readLedger } from './ledger/open-ledger.ts';
import type { Outside } from './ports/outside.ts';
import { silentProgress } from './ports/progress.ts';
import { ledgerPath } from './run.ts';
import { openRuns, type LedgerEvent } from './trial/events.ts';
import { tryOwnChange, type ChangeToTry } from './try-change.ts';

const real = await createOutside();
const server = `require('node:http').createServer((request, response) => response.end('one')).listen(process.env.PORT, '127.0.0.1');\n`;

/** A folder with a backend, in no repository yet; it goes with all that was made in it. */
interface Site extends AsyncDisposable {
  readonly place: string;
  readonly tree: string;
  readonly output: string;
  readonly settings: (config?: { readonly start?: string; readonly databaseUrl?: string }) => Settings;
  readonly attempt: (change: ChangeToTry, given?: Settings, outside?: Outside) => ReturnType<typeof tryOwnChange>;
  readonly makeRepository: () => void;
  readonly patchTo: (changed: string) => Promise<string>;
  /** Copies, and runs that would have to be recovered: there are none, whatever went wrong. */
  readonly left: () => Promise<readonly unknown[]>;
}

async function aSite(): Promise<Site> {
  const place = await mkdtemp(join(tmpdir(), 'anneal-try-change-'));
  const tree = join(place, 'tree');
  const output = join(place, 'output');
  const app = join(tree, 'app.js');
  await mkdir(tree);
  await writeFile(app, server);
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: tree, encoding: 'utf8' });
  const settings: Site['settings'] = ({ start = 'exec node app.js', databaseUrl } = {}) =>
    resolveSettings(
      {
        target: { start },
        workload: { urls: ['/'], ratePerSecond: 50 },
        measure: { warmupMs: 300, windowMs: 300 },
        trial: { sliceMs: 100, answers: 3 },
        output,
        ...(databaseUrl === undefined ? {} : { database: { url: databaseUrl } }),
      },
      tree,
      {},
    );
  return {
    place,
    tree,
    output,
    settings,
    attempt: (change, given = settings(), outside = real) =>
      tryOwnChange(given, change, { outside, progress: silentProgress, signal: new AbortController().signal }),
    makeRepository() {
      git('init', '-q');
      git('add', '-A');
    },
    async patchTo(changed) {
      await writeFile(app, changed);
      const patch = git('diff');
      await writeFile(app, server);
      return patch;
    },
    async left() {
      const copies = (await readdir(output, { recursive: true })).filter((name) => name.includes('workspace'));
      return [...copies, ...openRuns(await readLedger<LedgerEvent>(real.files, ledgerPath(output)))];
    },
    [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }),
  };
}

const cluster = `
const cluster = require('node:cluster');
if (cluster.isPrimary) [cluster.fork(), cluster.fork()];
else require('node:http').createServer((request, response) => response.end('one')).listen(process.env.PORT, '127.0.0.1');
`;

test('a policy for a cluster is refused: it would act in one of its workers', { timeout: 60_000 }, async () => {
  await using site = await aSite();
  await writeFile(join(site.tree, 'cluster.js'), cluster);
  const policies = JSON.stringify({ kind: 'compress-responses', routes: ['/'] });
  await expect(site.attempt({ policies }, site.settings({ start: 'exec node cluster.js' }))).rejects.toMatchObject({
    code: 'ANNEAL_POLICY_IN_CLUSTER',
    exitCode: 4,
    message: expect.stringContaining('2 served') as string,
  });
  expect(await site.left()).toEqual([]);
});

const servers = { a: { url: 'http://127.0.0.1:1' }, b: { url: 'http://127.0.0.1:2' } };

test.each<[string, ChangeToTry, string]>([
  ['no change at all', {}, 'no change to try'],
  ['servers beside something else', { servers, env: { A: '1' } }, 'compared as they are'],
  ['a patch beside a folder', { patch: 'x', worktree: '.' }, 'either --patch or --worktree'],
  ['SQL without a database', { sql: 'SELECT 1' }, 'needs a database'],
  ['the port', { env: { PORT: '80' } }, 'PORT is set by Anneal'],
  ['a policy beside something else', { policies: '{}', env: { A: '1' } }, 'tried by itself'],
])('%s is refused before anything is opened', async (_what, change, problem) => {
  await using site = await aSite();
  await expect(site.attempt(change)).rejects.toMatchObject({ code: 'ANNEAL_USAGE', message: expect.stringContaining(problem) as string });
  expect(await real.files.exists(site.output)).toBe(false);
});

const shedding = { kind: 'shed-load', maxConcurrent: 8, maxWaiting: 16, targetDelayMs: 50, intervalMs: 500, retryAfterSeconds: 1 };

test.each([
  ['no JSON', '{ kind', 'it is no JSON', 'how-to'],
  ['of no kind', '{}', 'neither a kind nor policies', 'limit-rate'],
  ['of an unknown kind', '{ "kind": "shed" }', 'no policies of kind "shed"', 'shed-load'],
  [
    'without a limit',
    JSON.stringify({ ...shedding, maxWaiting: undefined }),
    'maxWaiting is missing',
    'shed-load takes maxConcurrent (a whole number from 1)',
  ],
  ['with an absurd limit', JSON.stringify({ policies: [{ ...shedding, maxConcurrent: -1 }] }), 'not -1', 'shed-load takes maxConcurrent'],
  ['only for Anneal to write', '{ "kind": "cache-responses" }', 'made of what Anneal finds out', 'anneal optimize'],
])('a policy that is %s is refused before anything is opened, with what it takes', async (_what, policies, problem, hint) => {
  await using site = await aSite();
  await expect(site.attempt({ policies })).rejects.toMatchObject({
    code: 'ANNEAL_POLICY_INVALID',
    exitCode: 2,
    message: expect.stringContaining(problem) as string,
    hint: expect.stringContaining(hint) as string,
  });
  expect(await real.files.exists(site.output)).toBe(false);
});

test.concurrent('a pool that nobody made is told before the arms are compared', async ({ expect }) => {
  const policies = JSON.stringify({ kind: 'limit-pool-waiting', pool: 'app.js:3', maxWaiting: 5 });
  await using site = await aSite();
  await expect(site.attempt({ policies })).rejects.toMatchObject({
    code: 'ANNEAL_POLICY_INVALID',
    message: expect.stringContaining('app.js:3') as string,
  });
  expect(await site.left()).toEqual([]);
});

test('SQL without a statement and the variable of the database are refused', async () => {
  await using site = await aSite();
  const given = site.settings({ databaseUrl: 'postgres://nobody@127.0.0.1:1/shop' });
  await expect(site.attempt({ sql: '-- nothing\n;' }, given)).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
  await expect(site.attempt({ env: { DATABASE_URL: 'postgres://elsewhere/x' } }, given)).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
});

test('a patch for a folder that is in no repository is refused', async () => {
  await using site = await aSite();
  await expect(site.attempt({ patch: 'diff' })).rejects.toMatchObject({ code: 'ANNEAL_NO_WORKING_TREE', exitCode: 2 });
});

test('a folder that is not there is refused', async () => {
  await using site = await aSite();
  const missing = join(site.place, 'missing');
  await expect(site.attempt({ worktree: missing })).rejects.toMatchObject({ code: 'ANNEAL_WORKTREE_MISSING', details: { path: missing } });
});

test('a patch that does not apply ends the run, and neither of the copies stays', async () => {
  await using site = await aSite();
  site.makeRepository();
  const patch = (await site.patchTo(server.replace('one', 'two'))).replace('http', 'https');
  await expect(site.attempt({ patch })).rejects.toMatchObject({ code: 'ANNEAL_PATCH_UNUSABLE', exitCode: 2 });
  expect(await site.left()).toEqual([]);
});

test('copies that would fill the disk are not begun', async () => {
  await using site = await aSite();
  site.makeRepository();
  const full: Outside = { ...real, files: { ...real.files, freeBytes: () => Promise.resolve(10) } };
  const patch = await site.patchTo(server.replace('one', 'two'));
  await expect(site.attempt({ patch }, site.settings(), full)).rejects.toMatchObject({ code: 'ANNEAL_WORKSPACE_TOO_LARGE', exitCode: 4 });
  expect(await site.left()).toEqual([]);
});

test('a server that does not answer is named', async () => {
  await using site = await aSite();
  await expect(site.attempt({ servers })).rejects.toMatchObject({
    code: 'ANNEAL_TARGET_UNREACHABLE',
    message: expect.stringContaining('127.0.0.1:1') as string,
  });
});

test.concurrent(
  'a patch after which the backend does not start is what breaks it: a gate that fails',
  { timeout: 60_000 },
  async ({ expect }) => {
    await using site = await aSite();
    site.makeRepository();
    const patch = await site.patchTo(`throw new Error('broken by the patch');\n${server}`);
    await expect(site.attempt({ patch })).rejects.toMatchObject({
      code: 'ANNEAL_CHANGE_BREAKS_TARGET',
      exitCode: 1,
      message: expect.stringMatching(/^Patch of app\.js breaks the target: .*broken by the patch/s) as string,
    });
    expect(await site.left()).toEqual([]);
  },
);

test.concurrent('a backend that does not start without the patch either is not blamed on it', { timeout: 60_000 }, async ({ expect }) => {
  await using site = await aSite();
  site.makeRepository();
  const patch = await site.patchTo(server.replace('one', 'two'));
  await expect(site.attempt({ patch }, site.settings({ start: 'exec node missing.js' }))).rejects.toMatchObject({
    code: 'ANNEAL_TARGET_EXITED',
  });
  expect(await site.left()).toEqual([]);
});

test.concurrent('another folder is what the candidate runs from, and its answers are compared', { timeout: 60_000 }, async ({ expect }) => {
  await using site = await aSite();
  const other = join(site.place, 'other');
  await mkdir(other);
  await writeFile(join(other, 'app.js'), server.replace('one', 'two'));
  const { trials, run } = await site.attempt({ worktree: other });
  expect(run.command).toBe('try');
  expect(trials).toMatchObject([
    { verdict: { decision: 'rollback', equality: 'mismatch' }, plan: { worktree: 'other' }, finding: null, prediction: null },
  ]);
  expect(await site.left()).toEqual([]);
});
