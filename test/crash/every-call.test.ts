import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { createOutside } from '../../packages/anneal/src/adapters/outside.ts';
import type { Outside } from '../../packages/anneal/src/ports/outside.ts';
import { createIdleDatabase } from '../support/test-database.ts';
import { expectRecovered, indexesOf, recoverOnce } from './aftermath.ts';
import { faultKinds, faultyOutside, type Fault } from './faults.ts';
import { runMiniatureTrial, schema, type MiniatureTrial } from './miniature-trial.ts';

const real = await createOutside();
let runs = 0;

/** Ordinarily each way to fail takes its turn at every third call, so that every call fails in one way; `make test-crash` does all. */
const stride = process.env['ANNEAL_THOROUGH'] === undefined ? 3 : 1;
const range = stride === 1 ? 'for every N' : 'for every third N';

/**
 * Makes an attempt with N = first, first + stride, ..., each on a trial of its own over the same database, until one
 * makes fewer than N outward calls and so hits none. Resolves with the calls that were hit, in order.
 */
async function forEveryCall(
  first: number,
  attempt: (at: number, trial: MiniatureTrial, before: readonly string[]) => Promise<string | null>,
): Promise<readonly string[]> {
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-crash-'));
  await using database = await createIdleDatabase(schema);
  const before = await indexesOf(real, database.url);
  const hits: string[] = [];
  for (let at = first; ; at += stride) {
    runs += 1;
    const run = `${process.pid}x${runs}`;
    const trial: MiniatureTrial = { databaseUrl: database.url, ledgerPath: join(place.path, run, 'ledger.jsonl'), run, mark: run };
    const hit = await attempt(at, trial, before);
    if (hit === null) return hits;
    hits.push(hit);
  }
}

/** Acts in a world with one fault in it: with the error it ended in, or null when it completed, and the call that was hit. */
async function withFault(
  fault: Fault,
  act: (outside: Outside) => Promise<unknown>,
): Promise<{ readonly failure: unknown; readonly hit: string | null }> {
  const faulty = faultyOutside(real, fault);
  const failure: unknown = await act(faulty.outside).then(
    () => null,
    (error: unknown) => error,
  );
  await faulty.bury();
  return { failure, hit: faulty.hit() };
}

test.concurrent.for(faultKinds)(
  `when the N-th outward call of a trial is %s, ${range}, the target is as it was or as the ledger says`,
  { timeout: 300_000 },
  async (kind, { expect }) => {
    const hits = await forEveryCall(stride === 1 ? 1 : 1 + faultKinds.indexOf(kind), async (at, trial, before) => {
      const { failure, hit } = await withFault({ kind, at }, (outside) => runMiniatureTrial(outside, trial));
      const { kept } = await expectRecovered(real, trial, before);
      if (hit === null) expect({ failure, kept }).toEqual({ failure: null, kept: true });
      else expect(failure).not.toBeNull();
      return hit;
    });
    // A trial makes some 80 calls.
    expect(hits.length * stride).toBeGreaterThan(60);
    if (stride === 1) expect(hits).toContain('append kept');
  },
);

/** The two moments at which most is left behind: two copies with two processes, and a change in the target. */
test.concurrent.for(['stop a process', 'append kept'])(
  `a recovery that is killed in turn, at its N-th outward call, ${range}, is completed by the next (first killed at: %s)`,
  { timeout: 300_000 },
  async (moment, { expect }) => {
    const hits = await forEveryCall(1, async (at, trial, before) => {
      const first = await withFault({ kind: 'killed', at: moment }, (outside) => runMiniatureTrial(outside, trial));
      expect(first.hit).toBe(moment);
      const { failure, hit } = await withFault({ kind: 'killed', at }, (outside) => recoverOnce(outside, trial));
      expect((await expectRecovered(real, trial, before)).kept).toBe(false);
      if (hit === null) expect(failure).toBeNull();
      return hit;
    });
    expect(hits.length).toBeGreaterThan(2);
    if (stride === 1) expect(hits).toContain('append run-closed');
  },
);
