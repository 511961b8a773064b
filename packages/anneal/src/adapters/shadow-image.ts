import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

/** An initialised data folder, to be laid out instead of running initdb again. */
export interface ShadowImage {
  readonly folders: readonly string[];
  /** A file's content goes up to its last byte that is not zero; the rest of its size is a hole, as most of the log's file is. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly content: Buffer }[];
}

export interface ImageSource {
  /** Where images are kept; null: for this process only. */
  readonly folder: string | null;
  /** One line that names everything the image depends on: with another one it is another image. */
  readonly madeFrom: string;
  /** Makes the data folder; it is read when the promise resolves, and nobody may write to it any more. */
  readonly make: () => Promise<PackedImage>;
}

/** gzip, for its checksum: a line that says what it was made from, a line of JSON, and the files' contents in its order. */
export type PackedImage = Buffer;

interface Index {
  readonly folders: readonly string[];
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly storedBytes: number }[];
}

/** Images that are being made in this process, and those that could not be kept, by file or by what they are made from. */
const inThisProcess = new Map<string, Promise<PackedImage>>();

/**
 * The image that is kept, or else one made now and kept for the next time. A damaged or foreign file counts as none and is
 * replaced. Keeping is a favour: where it fails, the image serves this process alone and nobody is told. Of two processes
 * both make one, and either may win, since a file is complete before it gets its name.
 */
export async function findOrMakeImage({ folder, madeFrom, make }: ImageSource): Promise<ShadowImage> {
  const file = folder === null ? null : join(folder, `shadow-${createHash('sha256').update(madeFrom).digest('hex').slice(0, 16)}.gz`);
  const kept = file === null ? null : readImage(file, madeFrom);
  if (kept !== null) return kept;
  const key = file ?? madeFrom;
  const making = inThisProcess.get(key) ?? makeAndKeep(key, file, make);
  return unpack(await making, madeFrom)!;
}

function makeAndKeep(key: string, file: string | null, make: () => Promise<PackedImage>): Promise<PackedImage> {
  const making = (async () => {
    try {
      const packed = await make();
      if (file !== null && keep(file, packed)) inThisProcess.delete(key);
      return packed;
    } catch (error) {
      inThisProcess.delete(key);
      throw error;
    }
  })();
  inThisProcess.set(key, making);
  return making;
}

/** Nothing is synced to disk: what a power cut leaves half is found to be damaged. */
function keep(file: string, packed: PackedImage): boolean {
  const aside = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    makeFolder(dirname(file));
    writeFileSync(aside, packed, { flag: 'wx' });
    renameSync(aside, file);
    return true;
  } catch {
    if (existsSync(aside)) rmSync(aside);
    return false;
  }
}

/** Not by Node's own recursion, which never ends on a file system that answers "no such file" to it, as /proc does. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function readImage(file: string, madeFrom: string): ShadowImage | null {
  try {
    return unpack(readFileSync(file), madeFrom);
  } catch {
    return null;
  }
}

/** The image of a folder that nobody writes to. */
export function pack(folder: string, madeFrom: string): PackedImage {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => ({
    entry,
    path: relative(folder, join(entry.parentPath, entry.name)),
  }));
  const files = entries
    .filter(({ entry }) => entry.isFile())
    .map(({ path }) => {
      const whole = readFileSync(join(folder, path));
      return { path, sizeBytes: whole.length, content: whole.subarray(0, whole.findLastIndex((byte) => byte !== 0) + 1) };
    });
  const index: Index = {
    folders: entries.filter(({ entry }) => entry.isDirectory()).map(({ path }) => path),
    files: files.map(({ path, sizeBytes, content }) => ({ path, sizeBytes, storedBytes: content.length })),
  };
  return gzipSync(Buffer.concat([Buffer.from(`${madeFrom}\n${JSON.stringify(index)}\n`), ...files.map(({ content }) => content)]));
}

/** Null when it was made from something else. Throws when it is damaged, or would write outside the folder it is laid out in. */
function unpack(packed: PackedImage, madeFrom: string): ShadowImage | null {
  const bytes = gunzipSync(packed);
  const first = Buffer.from(`${madeFrom}\n`);
  if (!bytes.subarray(0, first.length).equals(first)) return null;
  const end = bytes.indexOf('\n', first.length);
  const { folders, files } = JSON.parse(bytes.toString('utf8', first.length, end)) as Index;
  // Caches are restored from elsewhere, by CI for one.
  if (![...folders, ...files.map(({ path }) => path)].every(staysInside)) throw new Error('a path leads out of the folder');
  let at = end + 1;
  return {
    folders,
    files: files.map(({ path, sizeBytes, storedBytes }) => ({ path, sizeBytes, content: bytes.subarray(at, (at += storedBytes)) })),
  };
}

function staysInside(path: string): boolean {
  return !isAbsolute(path) && !path.split(sep).includes('..');
}

/** Lays the image out in an empty folder. */
export function layOut({ folders, files }: ShadowImage, folder: string): void {
  for (const path of folders) mkdirSync(join(folder, path), { recursive: true });
  for (const { path, sizeBytes, content } of files) {
    writeFileSync(join(folder, path), content);
    if (sizeBytes > content.length) truncateSync(join(folder, path), sizeBytes);
  }
}
