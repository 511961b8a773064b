import { basename, dirname, join } from 'node:path';
import { AnnealError } from '../errors.ts';
import type { Files } from '../ports/files.ts';
import type { Assessment } from './assessment.ts';
import { parseAssessment } from './assessment-schema.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import { withoutCredentials } from './redaction.ts';
import { patchFiles, patchFolder, patchReadme } from './patches.ts';
import { policyFile } from './policy-files.ts';
import { sqlFiles } from './sql.ts';

const source = 'report.json';
const sqlFolder = 'slow-query-fixes';

/**
 * Writes every form of the report into the run's folder, which exists, and returns the paths it wrote relative to
 * it, report.json first: the others are projections of it, and where one cannot be written that one is there.
 */
export async function writeReports(files: Files, folder: string, given: Assessment): Promise<readonly string[]> {
  const assessment = withoutCredentials(given);
  const fixes = sqlFiles(assessment).map(({ name, content }) => ({ name: join(sqlFolder, name), content }));
  const written = patchFiles(assessment);
  const readme = { name: join(patchFolder, 'README.md'), content: patchReadme(written, assessment) };
  const patches = written.length === 0 ? [] : [...written.map(({ name, content }) => ({ name, content })), readme];
  // As they were given, not as they are shown: a value that looks like a credential is a limit's own here.
  const policies = policyFile(given.trials);
  const reports = [
    { name: source, content: `${JSON.stringify(assessment, writable)}\n` },
    { name: 'optimization-report.md', content: renderMarkdown(assessment) },
    { name: 'report.html', content: renderHtml(assessment) },
    ...fixes,
    ...patches,
    ...(policies === null ? [] : [policies]),
  ];
  if (fixes.length > 0) await files.makeFolder(join(folder, sqlFolder));
  for (const patchesAt of new Set([...patches, ...(policies === null ? [] : [policies])].map(({ name }) => dirname(name))))
    await files.makeFolder(join(folder, patchesAt));
  for (const { name, content } of reports) await files.write(join(folder, name), content);
  return reports.map(({ name }) => name);
}

/** A figure that is no number was not measured: JSON has no word for it, so the field is left out. */
function writable(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
}

/**
 * @throws ANNEAL_RUN_UNKNOWN when there is no report, ANNEAL_REPORT_UNREADABLE when it is broken or of another version
 */
export async function readAssessment(files: Files, folder: string): Promise<Assessment> {
  const path = join(folder, source);
  const unreadable = (problem: string) => new AnnealError('ANNEAL_REPORT_UNREADABLE', { path, problem });
  if (!(await files.exists(path))) throw new AnnealError('ANNEAL_RUN_UNKNOWN', { id: basename(folder), path: dirname(folder) });
  const text = await files.read(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable('it is not JSON, perhaps cut off while it was written');
  }
  return parseAssessment(value, path);
}
