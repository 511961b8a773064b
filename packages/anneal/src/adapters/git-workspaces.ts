import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, readlink, realpath, stat, symlink, utimes } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { text } from 'node:stream/consumers';
import { AnnealError } from '../errors.ts';
import type { WorkingTree, Workspaces } from '../ports/workspaces.ts';
import { filesMadeFrom } from './files-made-from.ts';

/** Copies by file, patches by `git apply`. The tree that is copied, its index and its `.git` are only read. */
export function createWorkspaces(): Workspaces {
  return { treeOf, sizeBytes, copy, applyPatch, madeFrom: filesMadeFrom };
}

async function treeOf(folder: string): Promise<WorkingTree | null> {
  const { code, stdout } = await git(['rev-parse', '--show-toplevel', '--show-prefix'], folder);
  const [root = '', prefix = ''] = stdout.split('\n');
  // A bare repository has no tree and says nothing.
  return code === 0 && root !== '' ? { root: await realpath(root), within: prefix.replace(/\/$/, '') } : null;
}

const packages = 'node_modules';

async function sizeBytes(root: string, leaveOut: readonly string[]): Promise<number> {
  return sizeOfFolder(root, await resolved(leaveOut));
}

async function sizeOfFolder(folder: string, leaveOut: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const entry of await entriesOf(folder, leaveOut)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== packages) bytes += await sizeOfFolder(path, leaveOut);
    if (entry.isFile())
      bytes += await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return bytes;
}

async function copy(root: string, to: string, leaveOut: readonly string[]): Promise<void> {
  await copyFolder({ root, to }, root, to, await resolved(leaveOut));
}

/** As the walk meets them: the root has its links resolved too. */
function resolved(paths: readonly string[]): Promise<readonly string[]> {
  return Promise.all(paths.map((path) => realpath(path).catch(() => path)));
}

interface Trees {
  readonly root: string;
  readonly to: string;
}

async function copyFolder(trees: Trees, from: string, to: string, leaveOut: readonly string[]): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await entriesOf(from, leaveOut)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isSymbolicLink()) await copyLink(trees, source, target);
    else if (entry.isFile()) await copyOne(source, target);
    else if (entry.isDirectory() && entry.name === packages) await linkPackages(trees, source, target);
    else if (entry.isDirectory()) await copyFolder(trees, source, target, leaveOut);
  }
}

/** Modification times come along: build tools compare them. */
async function copyOne(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    const { atime, mtime } = await stat(source);
    await utimes(target, atime, mtime);
  } catch (error) {
    if (!isForbidden(error) && !isGone(error)) throw error;
  }
}

/** What it points at in the tree it points at in the copy; what lies elsewhere stays where it is. */
async function copyLink({ root, to }: Trees, source: string, target: string): Promise<void> {
  const written = await readlink(source);
  const meant = resolve(dirname(source), written);
  const inTree = isWithin(root, meant);
  if (!isAbsolute(written) && inTree) await symlink(written, target);
  else await symlink(inTree ? join(to, relative(root, meant)) : meant, target);
}

/**
 * One link for each installed package, and not one for the whole folder: the links of a package manager to packages
 * of the tree itself are relative, so that in the copy they lead to the copy. Package managers keep scopes, commands
 * and links of their own below it in folders, which are made again.
 */
async function linkPackages(trees: Trees, from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await entriesOf(from, [])) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isSymbolicLink()) await copyLink(trees, source, target);
    else if (entry.isFile()) await copyOne(source, target);
    else if (entry.isDirectory() && (entry.name.startsWith('@') || entry.name === '.bin')) await linkPackages(trees, source, target);
    else if (entry.isDirectory()) await symlink(source, target);
  }
}

async function entriesOf(folder: string, leaveOut: readonly string[]): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(({ name }) => name !== '.git' && !leaveOut.includes(join(folder, name)));
  } catch (error) {
    if (isForbidden(error) || isGone(error)) return [];
    throw error;
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
}

/** Editors and tools come and go with files while the tree is walked. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

async function applyPatch(root: string, within: string, patch: string): Promise<void> {
  // A copy may lie below another working tree: git would take its paths from there and skip the patch without a word.
  const outside = { GIT_CEILING_DIRECTORIES: dirname(root) };
  const places = within === '' ? [[]] : [[], [`--directory=${within}`]];
  let problem = '';
  for (const place of places) {
    const { code, stderr } = await git(['apply', '--whitespace=nowarn', ...place, '-'], root, { input: patch, env: outside });
    if (code === 0) return;
    problem ||= stderr;
  }
  const lines = problem.split('\n').map((line) => line.replace(/^(?:error|fatal): /, '').trim());
  throw new AnnealError('ANNEAL_PATCH_UNUSABLE', { problem: lines.filter((line) => line !== '').join('; ') });
}

interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables such as GIT_DIR, which git sets for its hooks, would lead it away from the folder. */
async function git(
  args: readonly string[],
  cwd: string,
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Answer> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
  const env = { ...Object.fromEntries(inherited), LC_ALL: 'C', ...options.env };
  const child = spawn('git', args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done, failed) => child.once('error', failed).once('close', done));
  // Closed before it has read everything: the exit code says what was wrong.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  try {
    const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  } catch (error) {
    return { code: null, stdout: '', stderr: `git cannot be run: ${error instanceof Error ? error.message : String(error)}` };
  }
}
