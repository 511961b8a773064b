import { mkdtempDisposable, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFiles } from './node-files.ts';

const files = createFiles();
const folder = () => mkdtempDisposable(join(tmpdir(), 'anneal-files-'));

test('appending creates the file and then adds to its end', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  expect(await files.exists(path)).toBe(false);
  await files.append(path, 'one\n');
  await files.append(path, 'zwei ü\n');
  expect(await files.read(path)).toBe('one\nzwei ü\n');
});

test('a write that cannot finish leaves the old content and nothing beside it', async () => {
  await using place = await folder();
  const path = join(place.path, 'occupied');
  await files.makeFolder(path);
  await expect(files.write(path, 'new')).rejects.toThrow('EISDIR');
  expect(await readdir(place.path)).toEqual(['occupied']);
});

test('a write replaces the whole file and leaves nothing beside it', async () => {
  await using place = await folder();
  const path = join(place.path, 'report.json');
  await writeFile(path, 'a much longer content than the next');
  await files.write(path, 'short');
  expect(await readFile(path, 'utf8')).toBe('short');
  expect(await files.list(place.path)).toEqual(['report.json']);
});

test('a link can be pointed elsewhere', async () => {
  await using place = await folder();
  const path = join(place.path, 'latest');
  await files.link(path, 'runs/1');
  await files.link(path, 'runs/2');
  expect(await readlink(path)).toBe('runs/2');
});

test('free space is a number where the place exists and unknown where it does not', async () => {
  expect(await files.freeBytes(tmpdir())).toBeGreaterThan(0);
  expect(await files.freeBytes('/no/such/place')).toBeNull();
});

test('removing what is not there is no error', async () => {
  await using place = await folder();
  await files.remove(join(place.path, 'absent'));
  expect(await files.list(place.path)).toEqual([]);
});
