import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync, type BuildOptions } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { originIn } from './origins.ts';
import { SourceMapReader } from './source-map.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'origins-'));
  mkdirSync(join(folder, 'node_modules', 'helper'), { recursive: true });
  writeFileSync(join(folder, 'node_modules', 'helper', 'index.js'), 'export function help(work) {\n  return work("helped");\n}\n');
  writeFileSync(join(folder, 'other.ts'), "export const other = (text: string): string => {\n  return text + 'other';\n};\n");
  writeFileSync(
    join(folder, 'app.ts'),
    "import { help } from 'helper';\nimport { other } from './other.ts';\n\ninterface Shape {\n  readonly name: string;\n}\n\nexport const use = (shape: Shape): string =>\n  help((text: string) => other(text + shape.name + 'used'));\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

let bundles = 0;

/** The bundle's path, and where in it (line and column from 1) a piece of code stands. */
function bundled(options: BuildOptions): { readonly file: string; readonly find: (code: string) => readonly [number, number] } {
  bundles += 1;
  const file = join(folder, 'dist', `${bundles}.mjs`);
  buildSync({ entryPoints: [join(folder, 'app.ts')], bundle: true, format: 'esm', outfile: file, logLevel: 'silent', ...options });
  const text = readFileSync(file, 'utf8');
  return {
    file,
    find: (code) => {
      const before = text.slice(0, text.indexOf(code)).split('\n');
      return [before.length, before.at(-1)!.length + 1];
    },
  };
}

test.each([{ sourcemap: 'linked' }, { sourcemap: 'inline' }, { sourcemap: 'linked', minify: true, format: 'cjs' }] as const)(
  'code in a bundle is found in the file it was written in, and a package in it is told apart: %o',
  (options) => {
    const { file, find } = bundled(options);
    expect(originIn(file, ...find('"used"'))).toMatchObject({ file: join(folder, 'app.ts'), line: 9, ofPackage: false });
    expect(originIn(file, ...find('"other"'))).toMatchObject({ file: join(folder, 'other.ts'), line: 2, ofPackage: false });
    expect(originIn(file, ...find('"helped"'))).toMatchObject({ line: 2, ofPackage: true });
  },
);

test('without a map the place is in the bundle, and the comments of the bundler tell packages apart', () => {
  const { file, find } = bundled({});
  const [line, column] = find('"used"');
  expect(originIn(file, line, column)).toEqual({ file, line, column, ofPackage: false });
  expect(originIn(file, ...find('"helped"')).ofPackage).toBe(true);
  expect(originIn(file, ...find('"other"')).ofPackage).toBe(false);
});

test('a map that is missing, broken or of an unknown kind leaves the place as it is', () => {
  const contents = {
    missing: null,
    broken: '{"mappings"',
    sections: '{"version":3,"sections":[]}',
    nothing: '{"version":3,"sources":[],"mappings":""}',
  };
  for (const [name, map] of Object.entries(contents)) {
    const file = join(folder, `${name}.js`);
    writeFileSync(file, `work();\n//# sourceMappingURL=${name}.js.map\n`);
    if (map !== null) writeFileSync(`${file}.map`, map);
    expect(originIn(file, 1, 1)).toEqual({ file, line: 1, column: 1, ofPackage: false });
  }
  expect(originIn(join(folder, 'nowhere.js'), 3, 4)).toMatchObject({ line: 3, column: 4 });
});

test("sources in a bundler's own scheme count from where the process runs, when they are there", () => {
  const file = join(folder, 'packed.js');
  const map = {
    version: 3,
    sources: ['webpack://shop/./packages/agent/src/places/origins.ts?a1b2', 'webpack://shop/./gone.ts'],
    mappings: 'AAAA;ACAA',
  };
  writeFileSync(
    file,
    `one();\ntwo();\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}\n`,
  );
  expect(originIn(file, 1, 1)).toMatchObject({ file: join(process.cwd(), 'packages/agent/src/places/origins.ts'), line: 1 });
  expect(originIn(file, 2, 1)).toMatchObject({ file, line: 2 });
});

test("every origin in a large map is the one that Node's own reader gives", () => {
  const { file } = bundled({
    entryPoints: [new URL('../../../../node_modules/fast-check/lib/fast-check.js', import.meta.url).pathname],
    sourcemap: 'linked',
    minify: true,
  });
  const payload = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0];
  const reader = new SourceMapReader(payload);
  const reference = new SourceMap(payload);
  const lines = readFileSync(file, 'utf8').split('\n');
  let compared = 0;
  for (const [index, text] of lines.entries()) {
    for (let column = 1; column <= text.length; column += 61) {
      const entry = reference.findEntry(index, column - 1);
      if (!('generatedLine' in entry) || entry.generatedLine !== index) continue;
      compared += 1;
      expect(reader.originOf(index + 1, column)).toEqual({
        source: entry.originalSource,
        line: entry.originalLine + 1,
        column: entry.originalColumn + 1,
      });
    }
  }
  expect(compared).toBeGreaterThan(1_000);
});
