import type { Ledger } from '../ledger/ledger.ts';
import type { Act, LedgerEvent } from './events.ts';

/** Where an act is written down: the ledger, and the run it belongs to. */
export interface Journal {
  readonly ledger: Ledger<LedgerEvent>;
  readonly run: string;
}

/** Announces the act, does it, reports it done. The act begins only once its intent is on disk. */
export async function underIntent<T>({ ledger, run }: Journal, act: Act, work: () => Promise<T>): Promise<T> {
  const { sequence } = await ledger.append(run, { type: 'intent', act });
  const result = await work();
  await ledger.append(run, { type: 'done', intent: sequence });
  return result;
}

/**
 * Like `underIntent`, for taking away what an earlier intent announced. It acts even when the ledger cannot be
 * written: a full disk is often the very thing that dropping a copy cures, and recovery finds nothing left to do.
 * The ledger's error is thrown afterwards.
 */
export async function undoUnderIntent(journal: Journal, act: Act, work: () => Promise<void>): Promise<void> {
  let acted = false;
  const once = async () => {
    acted = true;
    await work();
  };
  try {
    await underIntent(journal, act, once);
  } catch (error) {
    if (!acted) await work();
    throw error;
  }
}
