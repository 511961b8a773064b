import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
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

let place: string;
let tree: string;
let output: string;

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'anneal-try-change-'));
  tree = join(place, 'tree');
  output = join(place, 'output');
  await mkdir(tree);
  await writeFile(join(tree, 'app.js'), server);
});

afterEach(() => rm(place, { recursive: true, force: true }));

function settings(config: { readonly start?: string; readonly databaseUrl?: string } = {}): Settings {
  const { start = 'exec node app.js', databaseUrl } = config;
  return resolveSettings(
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
}

const attempt = (change: ChangeToTry, given = settings(), outside: Outside = real) =>
  tryOwnChange(given, change, { outside, progress: silentProgress, signal: new AbortController().signal });

function makeRepository(): void {
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
  ])
    execFileSync('git', args, { cwd: tree });
}

async function patchTo(changed: string): Promise<string> {
  await writeFile(join(tree, 'app.js'), changed);
  const patch = execFileSync('git', ['diff'], { cwd: tree, encoding: 'utf8' });
  await writeFile(join(tree, 'app.js'), server);
  return patch;
}

/** Whatever went wrong: no copy, and no run that would have to be recovered. */
async function expectNothingLeft(): Promise<void> {
  const left = await readdir(output, { recursive: true });
  expect(left.filter((name) => name.includes('workspace'))).toEqual([]);
  expect(openRuns(await readLedger<LedgerEvent>(real.files, ledgerPath(output)))).toEqual([]);
}

const servers = { a: { url: 'http://127.0.0.1:1' }, b: { url: 'http://127.0.0.1:2' } };

test.each<[string, ChangeToTry, string]>([
  ['no change at all', {}, 'no change to try'],
  ['servers beside something else', { servers, env: { A: '1' } }, 'compared as they are'],
  ['a patch beside a folder', { patch: 'x', worktree: '.' }, 'either --patch or --worktree'],
  ['SQL without a database', { sql: 'SELECT 1' }, 'needs a database'],
  ['the port', { env: { PORT: '80' } }, 'PORT is set by Anneal'],
])('%s is refused before anything is opened', async (_what, change, problem) => {
  await expect(attempt(change)).rejects.toMatchObject({ code: 'ANNEAL_USAGE', message: expect.stringContaining(problem) as string });
  expect(await real.files.exists(output)).toBe(false);
});

test('SQL without a statement and the variable of the database are refused', async () => {
  const given = settings({ databaseUrl: 'postgres://nobody@127.0.0.1:1/shop' });
  await expect(attempt({ sql: '-- nothing\n;' }, given)).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
  await expect(attempt({ env: { DATABASE_URL: 'postgres://elsewhere/x' } }, given)).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
});

test('a patch for a folder that is in no repository is refused', async () => {
  await expect(attempt({ patch: 'diff' })).rejects.toMatchObject({ code: 'ANNEAL_NO_WORKING_TREE', exitCode: 2 });
});

test('a folder that is not there is refused', async () => {
  const missing = join(place, 'missing');
  await expect(attempt({ worktree: missing })).rejects.toMatchObject({ code: 'ANNEAL_WORKTREE_MISSING', details: { path: missing } });
});

test('a patch that does not apply ends the run, and neither of the copies stays', async () => {
  makeRepository();
  const patch = (await patchTo(server.replace('one', 'two'))).replace('http', 'https');
  await expect(attempt({ patch })).rejects.toMatchObject({ code: 'ANNEAL_PATCH_UNUSABLE', exitCode: 2 });
  await expectNothingLeft();
});

test('copies that would fill the disk are not begun', async () => {
  makeRepository();
  const full: Outside = { ...real, files: { ...real.files, freeBytes: () => Promise.resolve(10) } };
  const patch = await patchTo(server.replace('one', 'two'));
  await expect(attempt({ patch }, settings(), full)).rejects.toMatchObject({ code: 'ANNEAL_WORKSPACE_TOO_LARGE', exitCode: 4 });
  await expectNothingLeft();
});

test('a server that does not answer is named', async () => {
  await expect(attempt({ servers })).rejects.toMatchObject({
    code: 'ANNEAL_TARGET_UNREACHABLE',
    message: expect.stringContaining('127.0.0.1:1') as string,
  });
});

test('a patch after which the backend does not start is what breaks it: a gate that fails', { timeout: 60_000 }, async () => {
  makeRepository();
  const patch = await patchTo(`throw new Error('broken by the patch');\n${server}`);
  await expect(attempt({ patch })).rejects.toMatchObject({
    code: 'ANNEAL_CHANGE_BREAKS_TARGET',
    exitCode: 1,
    message: expect.stringMatching(/^Patch of app\.js breaks the target: .*broken by the patch/s) as string,
  });
  await expectNothingLeft();
});

test('a backend that does not start without the patch either is not blamed on it', { timeout: 60_000 }, async () => {
  makeRepository();
  const patch = await patchTo(server.replace('one', 'two'));
  await expect(attempt({ patch }, settings({ start: 'exec node missing.js' }))).rejects.toMatchObject({ code: 'ANNEAL_TARGET_EXITED' });
  await expectNothingLeft();
});

test('another folder is what the candidate runs from, and its answers are compared', { timeout: 60_000 }, async () => {
  const other = join(place, 'other');
  await mkdir(other);
  await writeFile(join(other, 'app.js'), server.replace('one', 'two'));
  const { trials, run } = await attempt({ worktree: other });
  expect(run.command).toBe('try');
  expect(trials).toMatchObject([
    { verdict: { decision: 'rollback', equality: 'mismatch' }, plan: { worktree: 'other' }, finding: null, prediction: null },
  ]);
  await expectNothingLeft();
});
