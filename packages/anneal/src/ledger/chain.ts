import { createHash } from 'node:crypto';
import { AnnealError } from '../errors.ts';
import type { LedgerEntry } from './ledger.ts';

/**
 * The text of the ledger: one entry per line, each sealed with the hash of the one before. It shows that nothing
 * between the first and the last entry was changed, removed, inserted or moved. It cannot show that whole entries
 * were cut off the end: nothing outside the file knows how many there were.
 */
const firstHash = '0'.repeat(64);

type Unsealed<Event> = Omit<LedgerEntry<Event>, 'hash'>;

export function sealNext<Event>(
  previous: LedgerEntry<Event> | undefined,
  content: { readonly at: string; readonly run: string; readonly event: Event },
): LedgerEntry<Event> {
  const unsealed: Unsealed<Event> = {
    sequence: (previous?.sequence ?? 0) + 1,
    at: content.at,
    run: content.run,
    event: content.event,
    previousHash: previous?.hash ?? firstHash,
  };
  return { ...unsealed, hash: hashOf(unsealed) };
}

/** Its line in the file, newline included. */
export function lineOf<Event>(entry: LedgerEntry<Event>): string {
  return `${compactJson(entry)}\n`;
}

export interface ReadChain<Event> {
  readonly entries: readonly LedgerEntry<Event>[];
  /** The last append was cut short. Its act never began, for an act begins only after its entry is on disk. */
  readonly torn: boolean;
}

/** Throws ANNEAL_LEDGER_BROKEN with the sequence of the first entry that is not what was written. */
export function readChain<Event>(path: string, text: string): ReadChain<Event> {
  const lines = text.split('\n');
  const tail = lines.pop()!;
  const entries: LedgerEntry<Event>[] = [];
  for (const line of lines) {
    const entry = verified<Event>(line, entries.at(-1));
    if (entry === null) throw new AnnealError('ANNEAL_LEDGER_BROKEN', { path, sequence: entries.length + 1 });
    entries.push(entry);
  }
  // A write that was cut short leaves a part of a line; a whole entry with another byte in its newline's place was changed.
  if (verified(tail.slice(0, -1), entries.at(-1)) !== null)
    throw new AnnealError('ANNEAL_LEDGER_BROKEN', { path, sequence: entries.length + 1 });
  return { entries, torn: tail !== '' };
}

/** The entry, when the line is byte for byte what sealing it after `previous` writes; else null. */
function verified<Event>(line: string, previous: LedgerEntry<Event> | undefined): LedgerEntry<Event> | null {
  let entry: LedgerEntry<Event>;
  try {
    entry = JSON.parse(line) as LedgerEntry<Event>;
  } catch {
    return null;
  }
  if (typeof entry !== 'object' || entry === null) return null;
  return lineOf(sealNext(previous, entry)) === `${line}\n` ? entry : null;
}

function hashOf<Event>(unsealed: Unsealed<Event>): string {
  return createHash('sha256').update(compactJson(unsealed)).digest('hex');
}

/**
 * U+FFFD is written escaped: readers put it where bytes are no longer UTF-8, so its bare presence shows a change
 * that comparing decoded text could otherwise miss.
 */
function compactJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('\uFFFD', String.raw`\ufffd`);
}
