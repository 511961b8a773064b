import { dirname } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import type { Files } from '../ports/files.ts';
import type { Processes } from '../ports/processes.ts';
import { lineOf, readChain, sealNext, type ReadChain } from './chain.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { lockLedger } from './lock.ts';

/** A ledger that this process alone may write, until it is closed. */
export interface OpenLedger<Event> extends Ledger<Event>, AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Opens the journal at `path` for writing, creating its folder; the file itself begins with the first entry.
 * The whole chain is verified: throws ANNEAL_LEDGER_BROKEN when any byte before the last entry's end was changed,
 * and ANNEAL_LEDGER_LOCKED while another living Anneal has it open.
 */
export async function openLedger<Event>(
  outside: { readonly files: Files; readonly clock: Clock; readonly processes: Processes },
  path: string,
): Promise<OpenLedger<Event>> {
  const { files, clock } = outside;
  await files.makeFolder(dirname(path));
  const lock = await lockLedger(outside, path);
  let known: ReadChain<Event>;
  try {
    known = await read<Event>(files, path);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  let entries: LedgerEntry<Event>[] = [...known.entries];
  /** The file may end in the middle of a line, or in a line whose append reported a failure. */
  let unsureEnd = known.torn;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  const settleEnd = async () => {
    if (!unsureEnd) return;
    const chain = await read<Event>(files, path);
    // Written anew as a whole: after a failed fsync the pages of the old file cannot be trusted to reach the disk.
    await files.write(path, chain.entries.map(lineOf).join(''));
    entries = [...chain.entries];
    unsureEnd = false;
  };
  const appendNext = async (run: string, event: Event) => {
    await settleEnd();
    const entry = sealNext(entries.at(-1), { at: clock.now().toISOString(), run, event });
    unsureEnd = true;
    await files.append(path, lineOf(entry));
    unsureEnd = false;
    entries.push(entry);
    return entry;
  };
  const close = async () => {
    if (closed) return;
    closed = true;
    await last;
    await lock[Symbol.asyncDispose]();
  };
  return {
    path,
    async append(run, event) {
      if (closed) throw new Error('the ledger is closed');
      const appended = last.then(() => appendNext(run, event));
      last = appended.catch(() => {});
      return appended;
    },
    async entries() {
      return [...entries];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** For looking only: verified like above, but takes no lock, so it also works while a run is writing. */
export async function readLedger<Event>(files: Files, path: string): Promise<readonly LedgerEntry<Event>[]> {
  return (await read<Event>(files, path)).entries;
}

async function read<Event>(files: Files, path: string): Promise<ReadChain<Event>> {
  return (await files.exists(path)) ? readChain<Event>(path, await files.read(path)) : { entries: [], torn: false };
}
