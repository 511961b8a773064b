import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFiles } from '../adapters/node-files.ts';
import type { Assessment } from './assessment.ts';
import { anEmptyAssessment, aRichAssessment } from './fixtures/assessment.ts';
import { readAssessment, writeReports } from './write-reports.ts';

const nodeFiles = createFiles();

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-report-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('every form of the report is written, and report.json reads back as the assessment', () =>
  inFolder(async (folder) => {
    const assessment = aRichAssessment();
    const written = await writeReports(nodeFiles, folder, assessment);
    expect(written).toEqual(
      expect.arrayContaining(['report.json', 'report.html', 'optimization-report.md', join('slow-query-fixes', 'README.md')]),
    );
    for (const name of written) expect((await readFile(join(folder, name), 'utf8')).length).toBeGreaterThan(0);
    expect(await readAssessment(nodeFiles, folder)).toEqual(JSON.parse(JSON.stringify(assessment)));
  }));

test('a run that changed nothing leaves no folder of fixes', () =>
  inFolder(async (folder) => {
    await writeReports(nodeFiles, folder, anEmptyAssessment());
    expect(await nodeFiles.exists(join(folder, 'slow-query-fixes'))).toBe(false);
  }));

test('a figure that is no number is left out, so that the file can be read again', () =>
  inFolder(async (folder) => {
    const assessment = aRichAssessment();
    const [trial] = assessment.trials;
    const [round] = trial!.rounds;
    const metrics = { ...round!.baseline.metrics, memory: Number.NaN };
    const broken: Assessment = {
      ...assessment,
      trials: [{ ...trial!, rounds: [{ ...round!, baseline: { ...round!.baseline, metrics } }] }],
    };
    await writeReports(nodeFiles, folder, broken);
    const read = await readAssessment(nodeFiles, folder);
    expect(read.trials[0]!.rounds[0]!.baseline.metrics).not.toHaveProperty('memory');
  }));

test('no file holds a credential that reached the assessment', () =>
  inFolder(async (folder) => {
    const assessment = aRichAssessment();
    const startCommand = 'DATABASE_URL=postgres://app:hunter2@db/shop node app.js';
    const written = await writeReports(nodeFiles, folder, { ...assessment, target: { ...assessment.target, startCommand } });
    for (const name of written) expect(await readFile(join(folder, name), 'utf8')).not.toContain('hunter2');
  }));

test('a run that is not there and a report that was cut off are told apart', () =>
  inFolder(async (folder) => {
    await expect(readAssessment(nodeFiles, join(folder, 'runs', '2026'))).rejects.toMatchObject({
      code: 'ANNEAL_RUN_UNKNOWN',
      details: { id: '2026', path: join(folder, 'runs') },
    });
    await writeFile(join(folder, 'report.json'), '{"schemaVersion": "1.0.0", "ru');
    await expect(readAssessment(nodeFiles, folder)).rejects.toMatchObject({ code: 'ANNEAL_REPORT_UNREADABLE' });
  }));
