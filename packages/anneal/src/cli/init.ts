import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AnnealError } from '../errors.ts';

/** What `anneal init` can tell about a project from its files alone. Nothing is run. */
export interface DetectedProject {
  readonly startCommand: string | null;
  readonly framework: string | null;
  readonly databaseLibrary: string | null;
  readonly databaseUrlVariable: string | null;
  /** GET routes without parameters found in the sources. */
  readonly paths: readonly string[];
}

const frameworks = ['fastify', 'express', '@nestjs/core', 'hono', 'koa'];
const databaseLibraries = ['pg', 'postgres', 'drizzle-orm', 'knex', 'typeorm', '@prisma/client', 'sequelize'];

/** Throws ANNEAL_CONFIG_MISSING when the folder has no package.json. */
export function detectProject(folder: string, environment: NodeJS.ProcessEnv = process.env): DetectedProject {
  const manifestPath = join(folder, 'package.json');
  if (!existsSync(manifestPath)) {
    throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'this folder has no package.json' });
  }
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as {
    readonly main?: string;
    readonly scripts?: Readonly<Record<string, string>>;
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const dependencies = Object.keys(manifest.dependencies ?? {});
  return {
    startCommand: manifest.scripts?.['start'] ?? (manifest.main === undefined ? null : `node ${manifest.main}`),
    framework: frameworks.find((name) => dependencies.includes(name)) ?? null,
    databaseLibrary: databaseLibraries.find((name) => dependencies.includes(name)) ?? null,
    databaseUrlVariable: databaseUrlVariable(folder, environment),
    paths: parameterlessPaths(folder),
  };
}

/** The text of anneal.config.ts for a project. */
export function configTemplate(project: DetectedProject): string {
  const urls = project.paths.length > 0 ? project.paths : ['/'];
  return `import { defineConfig } from 'anneal';

export default defineConfig({
  target: {
    // Starts the backend in the foreground. Anneal chooses the port and passes it as PORT.
    start: ${quoted(project.startCommand ?? 'node server.js')},
    ready: ${quoted(urls[0]!)},
  },
  // Trials run on copies of this database; the original only receives what was proven.
  database: { urlVariable: ${quoted(project.databaseUrlVariable ?? 'DATABASE_URL')} },
  workload: {
    // What your users do, as requests. A whole workload (scenarios, logins, variables) fits here too.
    urls: [
${urls.map((url) => `      ${quoted(url)},`).join('\n')}
    ],
    ratePerSecond: 20,
  },
});
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Looks at names only: the value may hold a password. */
function databaseUrlVariable(folder: string, environment: NodeJS.ProcessEnv): string | null {
  const names = new Set([
    ...Object.keys(environment),
    ...['.env', '.env.local', '.env.example']
      .map((name) => join(folder, name))
      .filter((path) => existsSync(path))
      .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
      .map((line) => line.split('=')[0]!.trim()),
  ]);
  return ['DATABASE_URL', 'POSTGRES_URL', 'PG_URL', 'DB_URL'].find((name) => names.has(name)) ?? null;
}

const sourceFile = /\.[cm]?[jt]s$/;
const routeCall = /\.get\(\s*(['"`])(\/[^'"`:*{}$]*)\1/g;
const mostPaths = 20;

function parameterlessPaths(folder: string): readonly string[] {
  const paths = new Set<string>();
  for (const file of sourceFiles(folder, 0)) {
    for (const [, , path] of readFileSync(file, 'utf8').matchAll(routeCall)) paths.add(path!);
  }
  return [...paths].slice(0, mostPaths);
}

function sourceFiles(folder: string, depth: number): readonly string[] {
  if (depth > 5) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.name === 'dist') return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(path, depth + 1);
    return sourceFile.test(entry.name) && !/\.(test|spec)\./.test(entry.name) ? [path] : [];
  });
}
