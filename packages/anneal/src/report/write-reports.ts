import { join } from 'node:path';
import type { Files } from '../ports/files.ts';
import type { Assessment } from './assessment.ts';

export async function writeReports(files: Files, folder: string, assessment: Assessment): Promise<readonly string[]> {
  await files.write(join(folder, 'report.json'), JSON.stringify(assessment));
  return ['report.json'];
}
export async function readAssessment(files: Files, folder: string): Promise<Assessment> {
  return JSON.parse(await files.read(join(folder, 'report.json'))) as Assessment;
}
