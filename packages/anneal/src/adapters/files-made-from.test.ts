import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { filesMadeFrom } from './files-made-from.ts';

test('what a bundler wrote says by its map which files it was made of; hand-written, broken and installed scripts say nothing', async () => {
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-made-from-'));
  const at = (...path: readonly string[]) => join(place.path, ...path);
  await mkdir(at('src'));
  await mkdir(at('node_modules/installed'), { recursive: true });
  await writeFile(at('src/names.ts'), 'export const name: string = "shop";\n');
  await writeFile(at('src/app.ts'), 'import { name } from "./names.ts";\nconsole.log(name);\n');
  await writeFile(at('src/other.ts'), 'console.log("other");\n');
  for (const [entry, outfile, sourcemap] of [
    ['src/app.ts', 'dist/linked.mjs', 'linked'],
    ['src/app.ts', 'dist/inline.js', 'inline'],
    ['src/other.ts', 'dist/other.js', 'linked'],
    ['src/app.ts', 'node_modules/installed/index.js', 'linked'],
  ] as const)
    buildSync({ entryPoints: [at(entry)], outfile: at(outfile), sourcemap, bundle: true, platform: 'node' });
  await writeFile(at('plain.js'), 'console.log(1);\n');
  await writeFile(at('broken.js'), '//# sourceMappingURL=gone.js.map\n');
  const packed = JSON.stringify({ version: 3, sources: ['webpack://shop/./src/names.ts?a1b2'], mappings: '' });
  await writeFile(at('packed.js'), `//# sourceMappingURL=data:application/json;base64,${Buffer.from(packed).toString('base64')}\n`);

  const made = async (path: string) => (await filesMadeFrom(place.path, at(path))).map((file) => relative(place.path, file));
  expect(await made('src/app.ts')).toEqual(['dist/inline.js', 'dist/linked.mjs']);
  expect(await made('src/names.ts')).toEqual(['dist/inline.js', 'dist/linked.mjs', 'packed.js']);
  expect(await made('plain.js')).toEqual([]);
});
