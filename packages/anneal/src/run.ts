import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Settings } from './config.ts';
import { AnnealError } from './errors.ts';
import type { Ledger } from './ledger/ledger.ts';
import { openLedger } from './ledger/open-ledger.ts';
import type { Outside } from './ports/outside.ts';
import type { Progress } from './ports/progress.ts';
import type { Assessment, RunFacts } from './report/assessment.ts';
import { writeReports } from './report/write-reports.ts';
import { openRuns, type LedgerEvent } from './trial/events.ts';

/** One execution of a command: its folder, its ledger, and what it works with. */
export interface Run {
  readonly id: string;
  readonly command: RunFacts['command'];
  readonly folder: string;
  readonly startedAt: Date;
  readonly settings: Settings;
  readonly outside: Outside;
  readonly ledger: Ledger<LedgerEvent>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly outside: Outside;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}
