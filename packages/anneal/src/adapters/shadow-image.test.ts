import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findOrMakeImage, layOut, pack, type ImageSource } from './shadow-image.ts';
import { userCacheFolder } from './user-cache-folder.ts';

const madeFrom = 'a folder of a test';
let scratch: string;
let cache: string;
let made: number;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'anneal-image-test-'));
  cache = join(scratch, 'home', 'cache');
  made = 0;
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** A data folder with an empty folder, a hole and a file without a byte. */
function source(given: Partial<ImageSource> = {}): ImageSource {
  const line = given.madeFrom ?? madeFrom;
  return {
    folder: cache,
    madeFrom: line,
    make: async () => {
      made += 1;
      const data = mkdtempSync(join(scratch, 'data-'));
      mkdirSync(join(data, 'base', '5'), { recursive: true });
      mkdirSync(join(data, 'pg_notify'));
      writeFileSync(join(data, 'base', '5', '1259'), Buffer.from([0, 1, 2, 0, 3]));
      writeFileSync(join(data, 'log'), Buffer.concat([Buffer.from(line), Buffer.alloc(100_000)]));
      writeFileSync(join(data, 'empty'), '');
      return pack(data, line);
    },
    ...given,
  };
}

/** Every path of the folder an image is laid out in, with its content. */
async function laidOut(from: ImageSource): Promise<Readonly<Record<string, string>>> {
  const folder = mkdtempSync(join(scratch, 'out-'));
  layOut(await findOrMakeImage(from), folder);
  return contents(folder);
}

function contents(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), entry.isFile() ? readFileSync(path).toString('hex') : 'a folder'];
    }),
  );
}

const whole = () => laidOut(source({ folder: null, madeFrom }));
const keptFile = () => join(cache, readdirSync(cache)[0]!);

test('what was made once is laid out ever after, to the byte, and its zeros take no disk', async () => {
  const first = await laidOut(source());
  const again = await laidOut(source());
  expect(made).toBe(1);
  expect(again).toEqual(first);
  const inScratch = (prefix: string) =>
    join(
      scratch,
      readdirSync(scratch).find((name) => name.startsWith(prefix))!,
    );
  expect(again).toEqual(contents(inScratch('data-')));
  expect(statSync(join(inScratch('out-'), 'log')).blocks * 512).toBeLessThan(10_000);
});

test('an image of another version, or with other arguments, is another file', async () => {
  await laidOut(source());
  expect((await laidOut(source({ madeFrom: 'a newer engine' })))['log']).toContain(Buffer.from('a newer engine').toString('hex'));
  expect(made).toBe(2);
  expect(readdirSync(cache)).toHaveLength(2);
});

test('whichever byte of the file is damaged and wherever it ends, nothing but the whole image comes out', async () => {
  const expected = await findOrMakeImage(source());
  const sound = readFileSync(keptFile());
  for (let at = 0; at < sound.length; at += 1) {
    const flipped = Buffer.from(sound);
    flipped[at]! ^= 1 << (at % 8);
    for (const damaged of [flipped, sound.subarray(0, at)]) {
      writeFileSync(keptFile(), damaged);
      expect(await findOrMakeImage(source({ make: async () => sound })), `at byte ${at}`).toEqual(expected);
    }
  }
});

test('a damaged file is replaced by a sound one', async () => {
  await laidOut(source());
  const sound = readFileSync(keptFile());
  writeFileSync(keptFile(), sound.subarray(0, 100));
  await laidOut(source());
  expect(readFileSync(keptFile()).equals(sound)).toBe(true);
  expect(readdirSync(cache)).toHaveLength(1);
  await laidOut(source());
  expect(made).toBe(2);
});

test.each([
  ['of something else', gzipSync('hello\n{}\n')],
  ['with a path that leads out of the folder', gzipSync(`${madeFrom}\n{"folders":["../../escaped"],"files":[]}\n`)],
  ['with an absolute path', gzipSync(`${madeFrom}\n{"folders":[],"files":[{"path":"/tmp/escaped","sizeBytes":0,"storedBytes":0}]}\n`)],
  ['that is empty', Buffer.alloc(0)],
])('a file %s is replaced', async (_, foreign) => {
  const expected = await laidOut(source());
  writeFileSync(keptFile(), foreign);
  expect(await laidOut(source())).toEqual(expected);
  expect(made).toBe(2);
  expect(readFileSync(keptFile()).equals(foreign)).toBe(false);
});

describe('where nothing can be kept', () => {
  test.each([
    ['a file stands in the way', () => join(writtenFile(), 'anneal')],
    ['the file system takes no folders', () => '/proc/anneal/cache'],
    ['there is no place at all', () => null],
  ])('because %s, it is made once per process', async (why, folder) => {
    const from = source({ folder: folder(), madeFrom: why });
    expect(await laidOut(from)).toEqual(await laidOut(from));
    expect(made).toBe(1);
  });

  test('because a folder has the name of the file, it is made once per process', async () => {
    await laidOut(source());
    const file = keptFile();
    rmSync(file);
    mkdirSync(join(file, 'full'), { recursive: true });
    await laidOut(source());
    await laidOut(source());
    expect(made).toBe(2);
    expect(readdirSync(cache)).toHaveLength(1);
  });
});

function writtenFile(): string {
  const path = join(scratch, 'file');
  writeFileSync(path, '');
  return path;
}

test('two that ask at once in one process wait for the same image, and a failure is not remembered', async () => {
  const failing = source({ make: () => Promise.reject(new Error('no space')) });
  await expect(Promise.all([laidOut(failing), laidOut(failing)])).rejects.toThrow('no space');
  const [one, other] = await Promise.all([laidOut(source()), laidOut(source())]);
  expect(one).toEqual(other);
  expect(made).toBe(1);
});

test('processes that make it at once and are killed at any moment leave a sound image or none', async () => {
  const expected = await whole();
  const program = `
    const { findOrMakeImage } = await import(${JSON.stringify(new URL('shadow-image.ts', import.meta.url).href)});
    const { rmSync, readdirSync } = await import('node:fs');
    const [cache, madeFrom, packed] = process.argv.slice(1);
    for (;;) {
      await findOrMakeImage({ folder: cache, madeFrom, make: async () => Buffer.from(packed, 'base64') });
      for (const name of readdirSync(cache)) if (name.endsWith('.gz')) rmSync(cache + '/' + name, { force: true });
      console.log('made');
    }`;
  const packed = (await source().make()).toString('base64');
  for (const livesMs of [0, 3, 11]) {
    const workers = [1, 2].map(() => spawn(process.execPath, ['--input-type=module', '-e', program, cache, madeFrom, packed]));
    await Promise.all(workers.map(async ({ stdout }) => once(stdout, 'data')));
    await sleep(livesMs);
    await Promise.all(
      workers.map(async (worker) => {
        worker.kill('SIGKILL');
        await once(worker, 'exit');
      }),
    );
    made = 0;
    expect(await laidOut(source())).toEqual(expected);
    expect(await laidOut(source())).toEqual(expected);
    expect(made).toBeLessThanOrEqual(1);
  }
});

test("the user's folder for caches is XDG's, else that of the home, else there is none", () => {
  const home = () => '/home/ada';
  expect(userCacheFolder({ XDG_CACHE_HOME: '/caches' }, home)).toBe('/caches/anneal');
  expect(userCacheFolder({}, home)).toBe('/home/ada/.cache/anneal');
  expect(userCacheFolder({ XDG_CACHE_HOME: 'relative' }, home)).toBe('/home/ada/.cache/anneal');
  expect(userCacheFolder({}, () => '')).toBeNull();
  expect(
    userCacheFolder({}, () => {
      throw new Error('no such user');
    }),
  ).toBeNull();
});
