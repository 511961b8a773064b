import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generatedDocs } from '../scripts/generated-docs.ts';
import { importsByRoom, roomOrder } from '../scripts/module-map.ts';

const root = join(import.meta.dirname, '..');
const trackedFiles = () =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).trim().split('\n');

test('what is made from code is committed as the code makes it (make docs)', async () => {
  for (const [path, content] of await generatedDocs(root)) {
    expect(await readFile(join(root, path), 'utf8'), path).toBe(content);
  }
});

describe('imports point one way', () => {
  test('no room imports one that stands after it', async () => {
    const rank = (room: string) => roomOrder.findIndex((rooms) => (rooms as readonly string[]).includes(room));
    const wrong = [...(await importsByRoom(root))].flatMap(([room, imports]) =>
      [...imports].filter((imported) => rank(room) >= 0 && rank(imported) > rank(room)).map((imported) => `${room} imports ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  test('no domain imports another domain, an adapter or a surface', async () => {
    const wrong = [...(await importsByRoom(root))]
      .filter(([room]) => room.startsWith('domains/'))
      .flatMap(([room, imports]) =>
        [...imports]
          .filter((imported) => /^(domains\/|adapters|cli|loop|run|index)/.test(imported))
          .map((imported) => `${room} imports ${imported}`),
      );
    expect(wrong).toEqual([]);
  });

  test('adapters import ports and vendor libraries only', async () => {
    const imports = (await importsByRoom(root)).get('adapters') ?? new Set();
    expect([...imports].filter((room) => !['ports', 'errors', 'stats'].includes(room))).toEqual([]);
  });
});

test('the agent has no dependency', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'packages/agent/package.json'), 'utf8')) as Record<string, unknown>;
  expect(Object.keys(manifest).filter((key) => key.toLowerCase().includes('dependencies'))).toEqual([]);
});

test('every dependency is pinned, TypeScript and vitest to the versions that belong together', async () => {
  for (const path of ['package.json', 'packages/agent/package.json', 'packages/anneal/package.json', 'lab/plaza/package.json']) {
    const manifest = JSON.parse(await readFile(join(root, path), 'utf8')) as Record<string, Record<string, string> | undefined>;
    for (const [name, version] of Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] })) {
      expect(version, `${name} in ${path}`).toMatch(/^\d+\.\d+\.\d+/);
    }
  }
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
  expect(devDependencies['typescript']).toMatch(/^7\./);
  expect(devDependencies['vitest']).toBe(devDependencies['@vitest/coverage-v8']);
});

test('folders are named for what is in them', () => {
  const bySyntax = trackedFiles().filter((path) => /(^|\/)(utils?|helpers?|lib|types|interfaces|classes)\//.test(path));
  expect(bySyntax).toEqual([]);
});

test('no source file has grown past what one can read in a sitting', async () => {
  const sources = trackedFiles().filter((path) => /^(packages|lab|scripts|bench)\/.*\.ts$/.test(path));
  const long: string[] = [];
  for (const path of sources) {
    const lines = (await readFile(join(root, path), 'utf8')).split('\n').length;
    if (lines > 500) long.push(`${path}: ${lines} lines`);
  }
  expect(long).toEqual([]);
});
