import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtempDisposable, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { anneal } from '../support/anneal-cli.ts';
import { processesMarked } from './aftermath.ts';
import { commitAll } from '../support/git-tree.ts';

const main = join(import.meta.dirname, '../../packages/anneal/src/cli/main.ts');

/** How many entries the ledger holds at the kill: during and after each copy of the tree, and while a process starts and runs. */
const moments = [2, 3, 4, 5, 6, 7, 8];

const serverSource = `require('node:http').createServer((request, response) => response.end('1')).listen(process.env.PORT, '127.0.0.1');\n`;

test('anneal try killed with kill -9 at any moment leaves nothing that anneal recover does not remove', { timeout: 180_000 }, async () => {
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-kill-try-'));
  const tree = join(place.path, 'tree');
  const mark = `${process.pid}try`;
  await aRepository(tree, mark);
  const patch = join(place.path, 'fix.diff');
  await writeFile(join(tree, 'app.js'), serverSource.replace("'1'", "'2'"));
  await writeFile(patch, execFileSync('git', ['diff'], { cwd: tree }));
  await writeFile(join(tree, 'app.js'), serverSource);
  const before = await readdir(tree);

  let copiesLeft = 0;
  for (const entries of moments) {
    const output = join(place.path, `output-${entries}`);
    const args = ['--conditions=@anneal/source', main, 'try', '--patch', patch, '--output', output];
    const child = spawn(process.execPath, args, { cwd: tree, env: { ...process.env, DATABASE_URL: undefined }, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await expect.poll(() => entriesIn(output), { timeout: 60_000, interval: 2 }).toBeGreaterThanOrEqual(entries);
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    if ((await foldersBelow(output)).length > 0) copiesLeft += 1;

    const recovered = await anneal(['recover', '--output', output], { cwd: tree, env: { DATABASE_URL: null } });
    expect(recovered.exitCode, recovered.stderr).toBe(0);
    expect(await foldersBelow(output)).toEqual([]);
    expect(processesMarked(mark)).toEqual([]);
    expect((await anneal(['recover', '--output', output], { cwd: tree, env: { DATABASE_URL: null } })).stdout).toBe('nothing to recover\n');
    expect(await readdir(tree)).toEqual(before);
    expect(execFileSync('git', ['status', '--porcelain'], { cwd: tree, encoding: 'utf8' })).toBe('');
  }
  // A kill may come before the first file of a copy; at the later moments there is always something to remove.
  expect(copiesLeft).toBeGreaterThanOrEqual(moments.length - 2);
});

/** Enough files that a kill falls into the middle of a copy. */
async function aRepository(tree: string, mark: string): Promise<void> {
  await mkdir(join(tree, 'assets'), { recursive: true });
  for (let index = 0; index < 400; index += 1) await writeFile(join(tree, 'assets', `${index}.txt`), 'x'.repeat(2000));
  await writeFile(join(tree, 'app.js'), serverSource);
  const config = {
    target: { start: 'exec node app.js', env: { ANNEAL_TEST_MARK: mark } },
    workload: { urls: ['/'], ratePerSecond: 20 },
    measure: { warmupMs: 1000, windowMs: 1000 },
  };
  await writeFile(join(tree, 'anneal.config.json'), JSON.stringify(config));
  commitAll(tree);
}

function entriesIn(output: string): number {
  const path = join(output, 'ledger.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

async function foldersBelow(output: string): Promise<readonly string[]> {
  const names = await readdir(output, { recursive: true });
  return names.filter((name) => name.includes('anneal-workspace-'));
}
