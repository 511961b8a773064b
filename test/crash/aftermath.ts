import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { addIndex } from '../../packages/anneal/src/domains/database/remedies/add-index.ts';
import { openLedger, readLedger } from '../../packages/anneal/src/ledger/open-ledger.ts';
import type { Outside } from '../../packages/anneal/src/ports/outside.ts';
import { copyName, sessionName } from '../../packages/anneal/src/trial/database-copies.ts';
import { keptChanges, openRuns, type LedgerEvent } from '../../packages/anneal/src/trial/events.ts';
import { recover, rollbackKept, type RecoveryReport } from '../../packages/anneal/src/trial/recovery.ts';
import { plan, type MiniatureTrial } from './miniature-trial.ts';

/** The indexes of the target's database, as the catalogue has them. Leaves no session behind: a template must be unused. */
export async function indexesOf({ databases }: Outside, databaseUrl: string): Promise<readonly string[]> {
  await using sql = await databases.connect(databaseUrl, { applicationName: 'anneal test', readOnly: true });
  const { rows } = await sql.query<{ index: string }>(
    `SELECT pg_get_indexdef(indexrelid) || ' valid ' || indisvalid AS index FROM pg_index
      WHERE indrelid = 'comments'::regclass ORDER BY 1`,
  );
  return rows.map(({ index }) => index);
}

/** What `anneal recover` does. */
export async function recoverOnce(outside: Outside, { databaseUrl, ledgerPath }: MiniatureTrial): Promise<RecoveryReport> {
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath);
  return await recover(outside, ledger, { databaseUrl, remedies: [addIndex] });
}

/**
 * The promise of `anneal recover`, checked: the target is as it was, or as the ledger says it was kept; no copy,
 * process or session is left; the ledger is whole and has no open run; and recovering again finds nothing to do.
 */
export async function expectRecovered(
  outside: Outside,
  trial: MiniatureTrial,
  before: readonly string[],
): Promise<{ readonly kept: boolean }> {
  await recoverOnce(outside, trial);
  const entries = await readLedger<LedgerEvent>(outside.files, trial.ledgerPath);
  const kept = keptChanges(entries);
  expect(openRuns(entries)).toEqual([]);
  const added = `CREATE INDEX ${plan.name} ON public.comments USING btree (post_id) valid true`;
  expect(await indexesOf(outside, trial.databaseUrl)).toEqual(kept.length === 0 ? before : [...before, added].toSorted());
  expect(await leftOnServer(outside, trial)).toEqual([]);
  expect(processesMarked(trial.mark)).toEqual([]);
  expect(await recoverOnce(outside, trial)).toEqual({ runs: [] });

  // The next trial begins where this one did, and the way back is walked once more.
  await using ledger = await openLedger<LedgerEvent>(outside, trial.ledgerPath);
  await rollbackKept(outside, ledger, 'all', { databaseUrl: trial.databaseUrl, remedies: [addIndex], run: `${trial.run}-rollback` });
  expect(await indexesOf(outside, trial.databaseUrl)).toEqual(before);
  expect(keptChanges(await ledger.entries())).toEqual([]);
  return { kept: kept.length > 0 };
}

async function leftOnServer({ databases }: Outside, { databaseUrl, run }: MiniatureTrial): Promise<readonly string[]> {
  await using sql = await databases.connect(databaseUrl, { applicationName: 'anneal test', readOnly: true });
  const { rows } = await sql.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)
      UNION ALL SELECT application_name FROM pg_stat_activity WHERE application_name = $2`,
    [copyName(run, ''), sessionName(run)],
  );
  return rows.map(({ name }) => name);
}

/** Processes on this machine that carry the mark in their environment. */
export function processesMarked(mark: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`ANNEAL_TEST_MARK=${mark}`);
    } catch {
      return false;
    }
  });
}
