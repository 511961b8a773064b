import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOutside } from '../../packages/anneal/src/adapters/outside.ts';
import { createIdleDatabase } from '../support/test-database.ts';
import { expectRecovered, indexesOf } from './aftermath.ts';
import { schema, type MiniatureTrial } from './miniature-trial.ts';

const script = join(import.meta.dirname, 'miniature-trial-process.ts');

/** How many entries the ledger holds when the trial is killed: from its opening to the change in the target. */
const moments = [1, 2, 4, 6, 7, 9, 11, 13, 16, 19, 21];

test('a trial killed with kill -9 at any moment leaves a ledger from which the target is restored', { timeout: 180_000 }, async () => {
  const outside = await createOutside();
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-kill-'));
  await using database = await createIdleDatabase(schema);
  const before = await indexesOf(outside, database.url);
  const endings: (string | number | null)[] = [];
  for (const entries of moments) {
    const run = `${process.pid}k${entries}`;
    const trial: MiniatureTrial = { databaseUrl: database.url, ledgerPath: join(place.path, run, 'ledger.jsonl'), run, mark: run };
    const child = spawn(process.execPath, [script], { env: { ...process.env, MINIATURE_TRIAL: JSON.stringify(trial) }, stdio: 'ignore' });
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
    await expect.poll(() => entriesIn(trial.ledgerPath), { timeout: 30_000, interval: 2 }).toBeGreaterThanOrEqual(entries);
    child.kill('SIGKILL');
    const [code, signal] = await ended;
    endings.push(signal ?? code);
    await expectRecovered(outside, trial, before);
  }
  // On a machine whose cores are taken the last entries may be written before the kill comes.
  expect(endings.filter((ending) => ending !== 'SIGKILL' && ending !== 0)).toEqual([]);
  expect(endings.filter((ending) => ending === 'SIGKILL').length).toBeGreaterThanOrEqual(moments.length - 3);
});

function entriesIn(ledgerPath: string): number {
  return existsSync(ledgerPath) ? readFileSync(ledgerPath, 'utf8').split('\n').length - 1 : 0;
}
