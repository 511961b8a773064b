import { expect, test } from 'vitest';
import { sealNext } from '../ledger/chain.ts';
import type { LedgerEntry } from '../ledger/ledger.ts';
import { keptChanges, openRuns, type Act, type Entries, type LedgerEvent } from './events.ts';
import { outstandingOf } from './outstanding.ts';

const change = { trialId: 't1', remedyId: 'database/add-index', plan: { name: 'i' } };
const description = { title: 'Index', sql: null, lasting: null };
const opened: LedgerEvent = {
  type: 'run-opened',
  command: 'optimize',
  target: 'shop',
  database: { name: 'app', identity: '1/2' },
  workload: null,
};
const closed: LedgerEvent = { type: 'run-closed', outcome: 'done' };
const intent = (act: Act): LedgerEvent => ({ type: 'intent', act });
const apply = intent({ kind: 'apply', where: 'target', ...change });
const revert = intent({ kind: 'revert', where: 'target', ...change });
const kept: LedgerEvent = { type: 'kept', ...change, description };
const identity = { pid: 10, startTicks: 20 };

function ledger(events: readonly LedgerEvent[], run = 'r', before: Entries = []): Entries {
  const entries: LedgerEntry<LedgerEvent>[] = [...before];
  for (const event of events) entries.push(sealNext(entries.at(-1), { at: '2026-11-20T10:00:00.000Z', run, event }));
  return entries;
}

test('a run is open until it is closed', () => {
  expect(openRuns(ledger([opened, apply]))).toEqual(['r']);
  expect(openRuns(ledger([opened, apply, closed]))).toEqual([]);
  expect(openRuns(ledger([opened], 's', ledger([opened, closed])))).toEqual(['s']);
});

test('a copy is outstanding from its intent to the report that it was dropped', () => {
  const create = intent({ kind: 'create-database', name: 'anneal_r_baseline', source: 'app' });
  const drop = intent({ kind: 'drop-database', name: 'anneal_r_baseline' });
  expect(outstandingOf(ledger([opened, create]), 'r').copies).toEqual(['anneal_r_baseline']);
  expect(outstandingOf(ledger([opened, create, { type: 'done', intent: 2 }, drop]), 'r').copies).toEqual(['anneal_r_baseline']);
  expect(outstandingOf(ledger([opened, create, { type: 'done', intent: 2 }, drop, { type: 'done', intent: 4 }]), 'r').copies).toEqual([]);
});

test('a process is outstanding from its announcement to the report that it was stopped', () => {
  const started: LedgerEvent = { type: 'process-started', role: 'baseline', identity };
  const stop = intent({ kind: 'stop-process', role: 'baseline', identity });
  expect(outstandingOf(ledger([opened, started, stop]), 'r').processes).toMatchObject([{ role: 'baseline', identity }]);
  expect(outstandingOf(ledger([opened, started, stop, { type: 'done', intent: 3 }]), 'r').processes).toEqual([]);
});

test('a change to the target is outstanding until it is kept or taken back; one to an arm never is', () => {
  expect(outstandingOf(ledger([opened, apply]), 'r').changes).toEqual([change]);
  expect(outstandingOf(ledger([opened, apply, { type: 'done', intent: 2 }]), 'r').changes).toEqual([change]);
  expect(outstandingOf(ledger([opened, apply, { type: 'done', intent: 2 }, kept]), 'r').changes).toEqual([]);
  expect(outstandingOf(ledger([opened, apply, revert, { type: 'done', intent: 3 }]), 'r').changes).toEqual([]);
  expect(outstandingOf(ledger([opened, intent({ kind: 'apply', where: 'arm', ...change })]), 'r').changes).toEqual([]);
});

test('changes are undone newest first', () => {
  const second = intent({ kind: 'apply', where: 'target', ...change, trialId: 't2' });
  expect(outstandingOf(ledger([opened, apply, second]), 'r').changes.map(({ trialId }) => trialId)).toEqual(['t2', 't1']);
});

test('a rollback that was begun is outstanding in its own run, and the change is kept until it is done', () => {
  const first = ledger([opened, apply, kept, closed]);
  const begun = ledger([opened, revert], 's', first);
  expect(outstandingOf(begun, 's').changes).toEqual([change]);
  expect(keptChanges(begun)).toMatchObject([{ run: 'r', trialId: 't1' }]);
  const done = ledger([{ type: 'done', intent: 6 }], 's', begun);
  expect(outstandingOf(done, 's').changes).toEqual([]);
  expect(keptChanges(done)).toEqual([]);
});

test('a change that was rolled back and kept again is kept', () => {
  const again = ledger([opened, apply, kept, { type: 'rolled-back', trialId: 't1', reason: 'asked' }, kept]);
  expect(keptChanges(again)).toMatchObject([{ trialId: 't1', description }]);
});
