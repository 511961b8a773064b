import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Extension, PGlite } from '@electric-sql/pglite';
import { findOrMakeImage, layOut, pack, type PackedImage } from './shadow-image.ts';
import { userCacheFolder } from './user-cache-folder.ts';

/**
 * A PostgreSQL in this process (PGlite, WebAssembly) on a folder of its own, which goes when it is closed or the
 * process ends. Nobody but us ever speaks to it, so it needs no locks, no sync and no checksums.
 */
export interface ShadowEngine extends AsyncDisposable {
  /** The data folder; `pg_relation_filepath` is relative to it. */
  readonly folder: string;
  /** With values one statement of the extended protocol, without any number of statements: the last one's rows. */
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

export interface ShadowEngineOptions {
  /** Where the data folder is made; default: the system's folder for temporary files. */
  readonly parentFolder?: string;
  /** Extensions whose libraries are to be there; those PGlite has no library for are left out. */
  readonly extensions: readonly string[];
  /** The database compares text byte by byte; otherwise in the order of a language. */
  readonly byteOrder: boolean;
  /** Where images of an initialised data folder are kept; default: the user's cache folder. */
  readonly imageFolder?: string;
  /** Runs initdb in the data folder, as PGlite does by itself: what an image has to equal. */
  readonly afresh?: boolean;
}

/**
 * initdb takes 3 s of CPU and a gigabyte of memory, in each of which it is the same: it depends on its arguments and on PGlite's version
 * alone. So it runs once, and its outcome is kept as an image.
 */
export async function openShadowEngine(options: ShadowEngineOptions): Promise<ShadowEngine> {
  const data = makeDataFolder(options.parentFolder);
  try {
    if (options.afresh !== true) {
      const { byteOrder, imageFolder = userCacheFolder() } = options;
      const madeFrom = `image 1 of ${engineVersion()}: initdb ${initArguments(byteOrder).join(' ')}; ${leaveOneDatabase.join('; ')}`;
      const make = () => makeImage(options, madeFrom);
      layOut(await findOrMakeImage({ folder: imageFolder, madeFrom, make }), data.folder);
    }
    const database = await start(data.folder, options);
    return {
      folder: data.folder,
      query: (text, values = []) => run(database, text, values),
      async [Symbol.asyncDispose]() {
        await database.close();
        data[Symbol.dispose]();
      },
    };
  } catch (error) {
    data[Symbol.dispose]();
    throw error;
  }
}

interface DataFolder extends Disposable {
  readonly folder: string;
}

function makeDataFolder(parentFolder: string = tmpdir()): DataFolder {
  const folder = mkdtempSync(join(parentFolder, 'anneal-shadow-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  return {
    folder,
    [Symbol.dispose]() {
      process.off('exit', remove);
      remove();
    },
  };
}

async function start(folder: string, { extensions, byteOrder }: ShadowEngineOptions): Promise<PGlite> {
  // Loaded when needed: it is 15 MB that most commands never touch.
  const [{ PGlite: Engine }, { NodeFS }] = await Promise.all([import('@electric-sql/pglite'), import('@electric-sql/pglite/nodefs')]);
  return Engine.create({
    fs: new NodeFS(folder),
    extensions: await libraries(extensions),
    initDbStartParams: [...initArguments(byteOrder)],
    relaxedDurability: true,
  });
}

/** Pages that are written from outside would need the right sum; and nothing here has to survive a crash. */
function initArguments(byteOrder: boolean): readonly string[] {
  return ['--no-data-checksums', '--no-sync', ...(byteOrder ? [] : ['--locale-provider=icu', '--icu-locale=und'])];
}

/** Of the three databases that initdb makes only `postgres` is ever used; the others are two thirds of the files. */
const leaveOneDatabase = ['template0', 'template1'].flatMap((name) => [
  `ALTER DATABASE ${name} IS_TEMPLATE false`,
  `DROP DATABASE ${name}`,
]);

async function makeImage(options: ShadowEngineOptions, madeFrom: string): Promise<PackedImage> {
  using data = makeDataFolder(options.parentFolder);
  const database = await start(data.folder, { ...options, extensions: [] });
  try {
    for (const statement of leaveOneDatabase) await database.exec(statement);
  } finally {
    // Shuts PostgreSQL down in order, so that no start from the image has anything to recover.
    await database.close();
  }
  return pack(data.folder, madeFrom);
}

/** PGlite's name and version. It is installed with exactly one; another build of the same version there is not. */
function engineVersion(): string {
  const { name, version } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.resolve('@electric-sql/pglite')), 'utf8'),
  ) as Readonly<Record<'name' | 'version', string>>;
  return `${name} ${version}`;
}

/** PGlite guesses what a JavaScript value should become; ours are in PostgreSQL's text form already. */
const asText = Object.fromEntries([16, 17].map((typeId) => [typeId, String]));

async function run<Row extends object>(database: PGlite, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
  if (values.length === 0) return ((await database.exec(text)).at(-1)?.rows ?? []) as Row[];
  const { rows } = await database.query<Row>(text, values.map(textForm), { serializers: asText });
  return rows;
}

/** A parameter as `pg` would send it, which is how the application sent it. */
export function textForm(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`;
  return typeof value === 'object' ? JSON.stringify(value) : `${value as string | number | boolean | bigint}`;
}

function element(value: unknown): string {
  if (Array.isArray(value)) return textForm(value)!;
  const text = textForm(value);
  return text === null ? 'NULL' : `"${text.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
}

/** What PGlite ships, by the extension's name; plpgsql is built in. */
export const shippedExtensions: ReadonlySet<string> = new Set(
  `amcheck bloom btree_gin btree_gist citext cube dict_int earthdistance fuzzystrmatch hstore intarray isn lo ltree
  pg_trgm pgcrypto seg tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp`.split(/\s+/u),
);

async function libraries(names: readonly string[]): Promise<Record<string, Extension>> {
  const found: Record<string, Extension> = {};
  for (const name of names.filter((each) => shippedExtensions.has(each))) {
    const exported = name.replaceAll('-', '_');
    const module = (await import(`@electric-sql/pglite/contrib/${exported}`)) as Readonly<Record<string, Extension>>;
    const extension = module[exported];
    if (extension !== undefined) found[exported] = extension;
  }
  // Its data type is part of what the other needs.
  if (found['earthdistance'] !== undefined) Object.assign(found, await libraries(['cube']));
  return found;
}
