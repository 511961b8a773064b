import type { ProcessIdentity } from '../ports/processes.ts';
import type { Act, Change, DatabaseReference, Entries } from './events.ts';

/** What a run may have left behind, read from its entries alone. `recover` looks which of it is really there. */
export interface Outstanding {
  readonly run: string;
  readonly database: DatabaseReference | null;
  readonly processes: readonly { readonly role: string; readonly identity: ProcessIdentity }[];
  /** Copies that were announced and not reported dropped. */
  readonly copies: readonly string[];
  /** Copies of the working tree that were announced and not reported removed. */
  readonly folders: readonly string[];
  /** Changes to the target itself, applied and not kept, or being taken back; newest first, the order to undo them in. */
  readonly changes: readonly Change[];
}

export function outstandingOf(entries: Entries, run: string): Outstanding {
  const own = entries.filter((entry) => entry.run === run);
  let database: DatabaseReference | null = null;
  const processes = new Map<number, { role: string; identity: ProcessIdentity }>();
  const copies = new Set<string>();
  const folders = new Set<string>();
  const changes = new Map<string, Change>();
  const announced = new Map<number, Act>();

  for (const { sequence, event } of own) {
    if (event.type === 'run-opened') database = event.database;
    if (event.type === 'process-started') processes.set(event.identity.pid, event);
    if (event.type === 'kept' || event.type === 'rolled-back') changes.delete(event.trialId);
    if (event.type === 'intent') {
      announced.set(sequence, event.act);
      begin(event.act);
    }
    if (event.type === 'done') finish(announced.get(event.intent));
  }

  function begin(act: Act): void {
    if (act.kind === 'create-database') copies.add(act.name);
    if (act.kind === 'create-folder') folders.add(act.path);
    if ((act.kind === 'apply' || act.kind === 'revert') && act.where === 'target') {
      const { trialId, remedyId, plan } = act;
      changes.delete(trialId);
      changes.set(trialId, { trialId, remedyId, plan });
    }
  }

  function finish(act: Act | undefined): void {
    if (act?.kind === 'drop-database') copies.delete(act.name);
    if (act?.kind === 'remove-folder') folders.delete(act.path);
    if (act?.kind === 'stop-process') processes.delete(act.identity.pid);
    if (act?.kind === 'revert' && act.where === 'target') changes.delete(act.trialId);
  }

  return {
    run,
    database,
    processes: [...processes.values()],
    copies: [...copies],
    folders: [...folders],
    changes: [...changes.values()].toReversed(),
  };
}
