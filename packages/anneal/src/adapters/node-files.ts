import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, statfs, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Files } from '../ports/files.ts';

/** Files on the local disk, written so that what a promise confirmed is still there after a kill or a power cut. */
export function createFiles(): Files {
  return {
    read: (path) => readFile(path, 'utf8'),
    write,
    append,
    exists,
    sizeBytes,
    list: (path) => readdir(path),
    async makeFolder(path) {
      await mkdir(path, { recursive: true });
    },
    remove: (path) => rm(path, { recursive: true, force: true }),
    freeBytes,
    link,
  };
}

async function write(path: string, content: string): Promise<void> {
  const aside = nameAside(path);
  try {
    await using file = await open(aside, 'wx');
    await file.writeFile(content);
    await file.sync();
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function append(path: string, content: string): Promise<void> {
  const isNew = !(await exists(path));
  await using file = await open(path, 'a');
  await file.writeFile(content);
  await file.sync();
  // A new file is only reachable after a power cut once its folder's entry is on disk too: fsync(2), NOTES.
  if (isNew) await syncFolder(dirname(path));
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function sizeBytes(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch {
    return null;
  }
}

async function freeBytes(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return null;
  }
}

async function link(path: string, target: string): Promise<void> {
  const aside = nameAside(path);
  await symlink(target, aside);
  try {
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** In the same folder, because rename is atomic only within one file system. */
function nameAside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
