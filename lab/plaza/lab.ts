import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RuleId } from '../../packages/anneal/src/finding/finding.ts';
import { seed, type SeedOptions } from './src/seed.ts';
import type { DefectId } from './src/fix.ts';

/** What the demo and the label matrix need to know of plaza. Data and one function: plaza is started like any other target. */
export const plazaTarget = {
  name: 'plaza',
  startCommand: 'node src/main.ts',
  workingDirectory: import.meta.dirname,
  env: {},
  portVariable: 'PORT',
  urlVariable: 'DATABASE_URL',
  /** Its value is `none`, `all` or defect ids separated by commas. */
  fixVariable: 'PLAZA_FIX',
  readyPath: '/health',
  readyTimeoutMs: 20_000,
} as const;

export interface Label {
  readonly domain: 'database' | 'api' | 'cache';
  readonly title: string;
  /** Relative to lab/plaza. */
  readonly file: string;
  readonly function: string;
  readonly tables: readonly string[];
  readonly columns: readonly string[];
  /** `METHOD /path/:parameter`; null where it belongs to no one route. */
  readonly route: string | null;
  /** For what the catalogue alone shows: the table, index, sequence or columns as `anneal check` names them; either of two equal indexes. */
  readonly objects?: readonly string[];
}

export interface Defect extends Label {
  readonly id: DefectId;
  readonly rule: RuleId;
  readonly remedy: 'automatic' | 'proposal';
  /** Whether the fixed form answers the same requests equally. */
  readonly contract: 'same' | 'changes';
}

/** Looks like a defect and is none; `why` says the reason. */
export interface Decoy extends Label {
  readonly id: string;
  readonly why: string;
}

export interface Labels {
  readonly defects: readonly Defect[];
  readonly decoys: readonly Decoy[];
}

export function loadLabels(): Labels {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'defects.json'), 'utf8')) as Labels;
}

/**
 * Fills an existing, empty database; the role must be a superuser, for the extensions and for
 * loading without foreign-key checks. Some ten seconds at size 1 on a fast machine.
 */
export async function seedPlaza(databaseUrl: string, options: SeedOptions): Promise<void> {
  await seed(databaseUrl, options);
}
