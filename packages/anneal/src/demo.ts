import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startEmbeddedPostgres } from './adapters/embedded-postgres.ts';
import { resolveSettings } from './config.ts';
import { AnnealError } from './errors.ts';
import { optimizeTarget } from './loop.ts';
import type { Assessment, AssessedFinding, Summary } from './report/assessment.ts';
import type { RunOptions } from './run.ts';
import type { Workload } from './workload/workload.ts';

/** What the laboratory says about itself: `lab/plaza/lab.ts` and `lab/plaza/workload.ts`. */
interface Lab {
  readonly plazaTarget: {
    readonly startCommand: string;
    readonly workingDirectory: string;
    readonly portVariable: string;
    readonly urlVariable: string;
    readonly readyPath: string;
  };
  seedPlaza(databaseUrl: string, options: { readonly size: number; readonly fix: string }): Promise<void>;
  loadLabels(): Labels;
  createPlazaWorkload(size: number): Workload;
}

interface Labels {
  readonly defects: readonly Label[];
  readonly decoys: readonly { readonly id: string }[];
}

export interface Label {
  readonly id: string;
  readonly rule: string;
  readonly file: string;
  readonly function: string;
  readonly tables: readonly string[];
  /** Parts of the database of which a check would name one, for what no statement's place shows. */
  readonly objects?: readonly string[];
}

/**
 * The whole loop on the laboratory backend: a private database (or one of its own on the server that
 * DATABASE_URL names), every weakness switched on, and the labels held against what was found.
 * Everything it started and created is gone when it returns, whether or not it succeeds.
 */
export async function runDemo(options: RunOptions & { readonly size: number }, folder = process.cwd()): Promise<Assessment> {
  const lab = await loadLab();
  await using database = await demoDatabase(options);
  options.progress.stage(`Filling the laboratory's database (size ${options.size})`);
  await lab.seedPlaza(database.url, { size: options.size, fix: 'none' });
  const settings = resolveSettings(
    {
      target: {
        name: 'plaza',
        start: lab.plazaTarget.startCommand,
        cwd: lab.plazaTarget.workingDirectory,
        portVariable: lab.plazaTarget.portVariable,
        ready: lab.plazaTarget.readyPath,
        env: { PLAZA_FIX: 'none' },
      },
      database: { url: database.url, urlVariable: lab.plazaTarget.urlVariable },
      workload: lab.createPlazaWorkload(options.size),
      // The laboratory's effects are large: what two looks cannot show is left undecided, and the demo stays short.
      trial: { looks: [8, 11], answers: 50, withinMs: 5.5 * 60_000 },
      // Forty-odd weaknesses share the traffic: each has to be seen often enough to be certain.
      measure: { warmupMs: 8000, windowMs: 40_000 },
    },
    folder,
  );
  const labels = lab.loadLabels();
  return await optimizeTarget(settings, {
    ...options,
    command: 'demo',
    dryRun: false,
    summarise: (assessment) => withLabels(assessment, labels),
  });
}

/** Fills `summary.defects`: what was expected, what was found, what was missed, what was invented. */
export function withLabels(assessment: Assessment, labels: Pick<Labels, 'defects'>): Assessment {
  const accusations = assessment.findings.filter((finding) => finding.level !== 'note' && finding.standing !== 'refuted');
  const found = labels.defects.filter((label) =>
    assessment.findings.some((finding) => finding.standing !== 'refuted' && isAbout(finding, label)),
  );
  const defects: Summary['defects'] = {
    expected: labels.defects.length,
    found: found.length,
    missed: labels.defects.filter((label) => !found.includes(label)).map((label) => label.id),
    invented: accusations
      .filter((finding) => !labels.defects.some((label) => isAbout(finding, label)))
      .map((finding) => `${finding.ruleId} ${finding.subject.key}`),
  };
  return { ...assessment, summary: { ...assessment.summary, defects } };
}

/** The rule agrees, and so does the place: the part of the database, the function where a line is known, else the table. */
export function isAbout(finding: Pick<AssessedFinding, 'ruleId' | 'locations' | 'subject'>, label: Label): boolean {
  if (finding.ruleId !== label.rule) return false;
  if (finding.subject.kind === 'object') return label.objects?.includes(finding.subject.name) === true;
  if (finding.locations.some((location) => location.file.endsWith(label.file) && location.function?.endsWith(label.function) === true))
    return true;
  return (
    finding.locations.length === 0 &&
    finding.subject.kind === 'statement' &&
    label.tables.some((table) => finding.subject.kind === 'statement' && finding.subject.tables.some((name) => name.endsWith(table)))
  );
}

async function loadLab(): Promise<Lab> {
  const folder = join(import.meta.dirname, '../../../lab/plaza');
  if (!existsSync(folder)) throw new AnnealError('ANNEAL_LAB_MISSING');
  const [lab, workload] = await Promise.all(['lab.ts', 'workload.ts'].map((file) => import(pathToFileURL(join(folder, file)).href)));
  return { ...lab, ...workload } as Lab;
}

interface DemoDatabase extends AsyncDisposable {
  readonly url: string;
}

async function demoDatabase(options: RunOptions): Promise<DemoDatabase> {
  const given = process.env['DATABASE_URL'];
  const name = `anneal_demo_${randomBytes(4).toString('hex')}`;
  if (given === undefined) {
    options.progress.stage('Starting a private PostgreSQL');
    // Room for the log of two copies: what writes add to it is told to the byte where no checkpoint comes in between.
    const postgres = await startEmbeddedPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } });
    await administer(options, postgres.url, [`CREATE DATABASE ${name}`]);
    return { url: postgres.databaseUrl(name), [Symbol.asyncDispose]: () => postgres.stop() };
  }
  await administer(options, given, [`CREATE DATABASE ${name}`]);
  const url = new URL(given);
  url.pathname = `/${name}`;
  return { url: url.href, [Symbol.asyncDispose]: () => administer(options, given, [`DROP DATABASE IF EXISTS ${name}`]) };
}

async function administer(options: RunOptions, url: string, statements: readonly string[]): Promise<void> {
  await using sql = await options.outside.databases.connect(url, { applicationName: 'anneal demo', readOnly: false });
  for (const statement of statements) await sql.query(statement);
}
