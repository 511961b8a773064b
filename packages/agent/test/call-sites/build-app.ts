import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build, type BuildOptions } from 'esbuild';

const sources = fileURLToPath(new URL('./apps/', import.meta.url));
const packages = fileURLToPath(new URL('../../../../node_modules', import.meta.url));

/** A folder of its own with the applications' sources, as a project that has them installs its packages. */
export interface Workshop extends AsyncDisposable {
  readonly folder: string;
  /** The source as it is: an ES module whose types Node strips, line by line. */
  asModule(app: string): Promise<string>;
  /** Compiled to CommonJS beside its source map, which the process is not told to follow. */
  asCommonJs(app: string): Promise<string>;
  /** Compiled into one ES module, and nothing tells where a line came from. */
  asBundle(app: string): Promise<string>;
  /** The same with all its packages inside. */
  withPackages(app: string, form: Pick<BuildOptions, 'minify' | 'sourcemap'> & { readonly format: 'cjs' | 'esm' }): Promise<string>;
}

export async function openWorkshop(): Promise<Workshop> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'call-sites-')));
  await symlink(packages, join(folder, 'node_modules'));
  for (const name of await readdir(sources)) await copyFile(join(sources, name), join(folder, name));
  const source = (app: string) => join(folder, `${app}.ts`);
  return {
    folder,
    asModule: async (app) => source(app),
    async asCommonJs(app) {
      const outfile = join(folder, 'dist', `${app}.cjs`);
      // Prisma's generated client asks for it.
      const define = { 'import.meta.url': 'fileUrl' };
      const banner = { js: "const fileUrl = require('node:url').pathToFileURL(__filename).href;" };
      await compile({ entryPoints: [source(app)], outfile, format: 'cjs', sourcemap: 'linked', define, banner });
      return outfile;
    },
    async asBundle(app) {
      const outfile = join(folder, 'dist', `${app}.mjs`);
      await compile({ entryPoints: [source(app)], outfile, format: 'esm' });
      return outfile;
    },
    async withPackages(app, form) {
      const { format, minify = false, sourcemap = false } = form;
      const extension = format === 'esm' ? 'mjs' : 'cjs';
      const outfile = join(folder, 'dist', `${app}.${minify ? 'min' : 'whole'}.${String(sourcemap)}.${extension}`);
      // What packages require of Node itself; a module has no `require`.
      const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
      await compile({
        entryPoints: [source(app)],
        outfile,
        packages: 'bundle',
        external: ['pg-native'],
        ...form,
        ...(format === 'esm' ? { banner } : {}),
      });
      return outfile;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function compile(options: BuildOptions): Promise<void> {
  await build({ bundle: true, packages: 'external', platform: 'node', target: 'node22', logLevel: 'silent', ...options });
}

/** Generates Prisma's client into the folder. Nothing is fetched: only migrations need the engine that it would look for. */
export async function generatePrismaClient(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await promisify(execFile)(process.execPath, [join(packages, 'prisma/build/index.js'), 'generate', '--schema', 'schema.prisma'], {
    cwd: folder,
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    },
  });
}
