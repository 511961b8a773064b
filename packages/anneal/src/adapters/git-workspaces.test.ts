import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkspaces } from './git-workspaces.ts';

const workspaces = createWorkspaces();
let place: string;
let root: string;
let copy: string;

beforeEach(async () => {
  place = await realpath(await mkdtemp(join(tmpdir(), 'anneal-workspaces-')));
  root = join(place, 'shop');
  copy = join(place, 'copy');
  await mkdir(join(root, 'api'), { recursive: true });
  git('init', '-q');
  await writeFile(join(root, '.gitignore'), '.env\nnode_modules/\n');
  await writeFile(join(root, 'api/app.js'), 'const a = 1;\nconst b = 2;\n');
  git('add', '-A');
  git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-qm', 'x');
});

afterEach(() => rm(place, { recursive: true, force: true }));

const git = (...args: readonly string[]) =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', env: { ...process.env, GIT_DIR: undefined } });
const diffOf = async (content: string) => {
  const before = await readFile(join(root, 'api/app.js'), 'utf8');
  await writeFile(join(root, 'api/app.js'), content);
  const diff = git('diff');
  await writeFile(join(root, 'api/app.js'), before);
  return diff;
};

test('the working tree is found from a folder within it, and elsewhere there is none', async () => {
  expect(await workspaces.treeOf(join(root, 'api'))).toEqual({ root, within: 'api' });
  expect(await workspaces.treeOf(root)).toEqual({ root, within: '' });
  expect(await workspaces.treeOf(place)).toBeNull();
  expect(await workspaces.treeOf(join(place, 'missing'))).toBeNull();
});

test('the tree is copied as it is: changed, new and ignored files, without .git and without what is left out', async () => {
  await writeFile(join(root, 'api/app.js'), 'changed and not committed\n');
  await writeFile(join(root, 'api/new.js'), 'never added\n');
  await writeFile(join(root, '.env'), 'PORT=1\n');
  await mkdir(join(root, '.anneal'));
  await writeFile(join(root, '.anneal/ledger.jsonl'), 'ours\n');
  await workspaces.copy(root, copy, [join(root, '.anneal')]);
  expect(await readdir(copy)).toEqual(['.env', '.gitignore', 'api']);
  expect(await readFile(join(copy, 'api/app.js'), 'utf8')).toBe('changed and not committed\n');
  expect(await readFile(join(copy, 'api/new.js'), 'utf8')).toBe('never added\n');
  expect(await workspaces.sizeBytes(root, [join(root, '.anneal')])).toBe(26 + 12 + 7 + 19);
});

test('installed packages are linked, and packages of the tree itself are those of the copy', async () => {
  await mkdir(join(root, 'node_modules/express'), { recursive: true });
  await writeFile(join(root, 'node_modules/express/index.js'), 'module.exports = "express"');
  await mkdir(join(root, 'node_modules/@shop'), { recursive: true });
  await symlink('../../api', join(root, 'node_modules/@shop/api'));
  await writeFile(join(root, 'api/package.json'), '{"name":"@shop/api","main":"app.js"}');
  await writeFile(join(root, 'api/app.js'), 'module.exports = "original"');
  await workspaces.copy(root, copy, []);
  await writeFile(join(copy, 'api/app.js'), 'module.exports = "patched"');
  const fromCopy = createRequire(join(copy, 'main.js'));
  expect([fromCopy('express'), fromCopy('@shop/api')]).toEqual(['express', 'patched']);
  expect(createRequire(join(root, 'main.js'))('@shop/api')).toBe('original');
  expect(await readlink(join(copy, 'node_modules/express'))).toBe(join(root, 'node_modules/express'));
});

test('links into the tree lead into the copy, links out of it to where they led', async () => {
  await symlink(join(root, 'api'), join(root, 'absolute'));
  await symlink('../outside', join(root, 'elsewhere'));
  await workspaces.copy(root, copy, []);
  expect(await readlink(join(copy, 'absolute'))).toBe(join(copy, 'api'));
  expect(await readlink(join(copy, 'elsewhere'))).toBe(join(place, 'outside'));
});

test.skipIf(process.getuid?.() === 0)('what may not be read is left out', async () => {
  await mkdir(join(root, 'pgdata'));
  await writeFile(join(root, 'secret'), 'x');
  await chmod(join(root, 'pgdata'), 0);
  await chmod(join(root, 'secret'), 0);
  await workspaces.copy(root, copy, []);
  expect(await readdir(join(copy, 'pgdata'))).toEqual([]);
  expect(await readdir(copy)).not.toContain('secret');
  await chmod(join(root, 'pgdata'), 0o700);
});

test('a patch applies to the copy, below another working tree too, and never to the tree', async () => {
  const diff = await diffOf('const a = 1;\nconst b = 3;\n');
  const within = join(root, '.anneal/copy');
  await workspaces.copy(root, within, [join(root, '.anneal')]);
  await workspaces.applyPatch(within, '', diff);
  expect(await readFile(join(within, 'api/app.js'), 'utf8')).toBe('const a = 1;\nconst b = 3;\n');
  expect(git('status', '--porcelain', '--', 'api')).toBe('');
});

test('a patch made relative to the folder of the backend applies too', async () => {
  const diff = (await diffOf('const a = 1;\nconst b = 3;\n')).replaceAll('api/app.js', 'app.js');
  await workspaces.copy(root, copy, []);
  await workspaces.applyPatch(copy, 'api', diff);
  expect(await readFile(join(copy, 'api/app.js'), 'utf8')).toContain('b = 3');
});

test.each([
  ['of another tree', (diff: string) => diff.replaceAll('const a = 1;', 'const z = 9;'), 'api/app.js: patch does not apply'],
  ['that is none', () => 'hello\n', 'No valid patches in input'],
  ['that is empty', () => '', 'No valid patches in input'],
  ['that leaves the folder', (diff: string) => diff.replaceAll('api/app.js', '../escaped.js'), 'escaped.js'],
])('a patch %s is refused, and nothing is changed', async (_which, spoil, problem) => {
  const diff = spoil(await diffOf('const a = 1;\nconst b = 3;\n'));
  await workspaces.copy(root, copy, []);
  await expect(workspaces.applyPatch(copy, 'api', diff)).rejects.toMatchObject({
    code: 'ANNEAL_PATCH_UNUSABLE',
    details: { problem: expect.stringContaining(problem) as string },
  });
  expect(await readFile(join(copy, 'api/app.js'), 'utf8')).toBe('const a = 1;\nconst b = 2;\n');
});

test('a patch of an installed package is refused: the link leads out of the copy', async () => {
  await mkdir(join(root, 'node_modules/express'), { recursive: true });
  await writeFile(join(root, 'node_modules/express/index.js'), 'one\n');
  await workspaces.copy(root, copy, []);
  const diff =
    'diff --git a/node_modules/express/index.js b/node_modules/express/index.js\n--- a/node_modules/express/index.js\n+++ b/node_modules/express/index.js\n@@ -1 +1 @@\n-one\n+two\n';
  await expect(workspaces.applyPatch(copy, '', diff)).rejects.toMatchObject({ code: 'ANNEAL_PATCH_UNUSABLE' });
  expect(await readFile(join(root, 'node_modules/express/index.js'), 'utf8')).toBe('one\n');
});
