import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { createOutside } from '../../packages/anneal/src/adapters/outside.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { expectRecovered, indexesOf, recoverOnce } from './aftermath.ts';
import { faultKinds, faultyOutside, type Fault } from './faults.ts';
import { runMiniatureTrial, schema, type MiniatureTrial } from './miniature-trial.ts';

const real = await createOutside();
let runs = 0;

function nextTrial(databaseUrl: string, folder: string): MiniatureTrial {
  runs += 1;
  const run = `${process.pid}x${runs}`;
  return { databaseUrl, ledgerPath: join(folder, run, 'ledger.jsonl'), run, mark: run };
}

/** Runs the trial with one fault in it. Resolves with the error it ended in, or null when it completed. */
async function runWith(fault: Fault, trial: MiniatureTrial): Promise<{ readonly failure: unknown; readonly hit: string | null }> {
  const faulty = faultyOutside(real, fault);
  const failure: unknown = await runMiniatureTrial(faulty.outside, trial).then(
    () => null,
    (error: unknown) => error,
  );
  await faulty.bury();
  return { failure, hit: faulty.hit() };
}

test.concurrent.for(faultKinds)(
  'when the N-th outward call of a trial is %s, for every N, the target is as it was or as the ledger says',
  { timeout: 300_000 },
  async (kind, { expect }) => {
    await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-crash-'));
    await using database = await createTestDatabase(schema);
    // Nobody else may be connected to what is copied.
    await database.client.end();
    const before = await indexesOf(real, database.url);
    const hits: string[] = [];
    for (let at = 1; ; at += 1) {
      const trial = nextTrial(database.url, place.path);
      const { failure, hit } = await runWith({ kind, at }, trial);
      const { kept } = await expectRecovered(real, trial, before);
      if (hit === null) {
        expect({ failure, kept }).toEqual({ failure: null, kept: true });
        break;
      }
      expect(failure).not.toBeNull();
      hits.push(hit);
    }
    expect(hits).toContain('append kept');
  },
);

/** The two moments at which most is left behind: two copies with two processes, and a change in the target. */
test.concurrent.for(['stop a process', 'append kept'])(
  'a recovery that is killed in turn, at any of its outward calls, is completed by the next (first killed at: %s)',
  { timeout: 300_000 },
  async (moment, { expect }) => {
    await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-crash-'));
    await using database = await createTestDatabase(schema);
    await database.client.end();
    const before = await indexesOf(real, database.url);
    const hits: string[] = [];
    for (let at = 1; ; at += 1) {
      const trial = nextTrial(database.url, place.path);
      expect((await runWith({ kind: 'killed', at: moment }, trial)).hit).toBe(moment);
      const faulty = faultyOutside(real, { kind: 'killed', at });
      const failure = await recoverOnce(faulty.outside, trial).then(
        () => null,
        (error: unknown) => error,
      );
      await faulty.bury();
      expect((await expectRecovered(real, trial, before)).kept).toBe(false);
      if (faulty.hit() === null) {
        expect(failure).toBeNull();
        break;
      }
      hits.push(faulty.hit()!);
    }
    expect(hits).toContain('append run-closed');
  },
);
