import type { LedgerEntry } from '../ledger/ledger.ts';
import type { ProcessIdentity } from '../ports/processes.ts';
import type { Prediction } from '../prediction/prediction.ts';
import type { Description, Json } from '../remedy/remedy.ts';
import type { Arm } from '../measurement/measurement.ts';
import type { Verdict } from './trial.ts';

/**
 * The words of the ledger. Data only, and nothing secret: databases by name, never by URL; no parameter values.
 *
 * Every act that outlives Anneal's process is an `intent` first, on disk before the act begins, and `done` when
 * it has happened. An intent without its `done` may have happened or not: recovery looks.
 */
export type LedgerEvent =
  | {
      readonly type: 'run-opened';
      readonly command: string;
      readonly target: string;
      /** Null when the run works without a database. */
      readonly database: DatabaseReference | null;
      readonly workload: { readonly name: string; readonly hash: string } | null;
    }
  | { readonly type: 'measured'; readonly measurementId: string; readonly arm: Arm; readonly durationMs: number; readonly trusted: boolean }
  | { readonly type: 'found'; readonly fingerprints: readonly string[] }
  | { readonly type: 'intent'; readonly act: Act }
  /** `intent` is the sequence of the entry that announced the act. */
  | { readonly type: 'done'; readonly intent: number }
  /** Between the intent to start it and the first instruction of its command. */
  | { readonly type: 'process-started'; readonly role: string; readonly identity: ProcessIdentity }
  | {
      readonly type: 'trial-planned';
      /** Unique over all runs. */
      readonly trialId: string;
      readonly title: string;
      /** Null for a change that somebody brought; so is its prediction. */
      readonly findingFingerprint: string | null;
      readonly remedyId: string;
      readonly plan: Json;
      readonly prediction: Prediction | null;
      readonly where: Where;
    }
  | { readonly type: 'verdict'; readonly trialId: string; readonly verdict: Verdict }
  /** The change stands in the target itself and stays. */
  | ({ readonly type: 'kept'; readonly description: Description } & Change)
  /** A policy was kept in its trial and confirmed: `anneal hold` may put it in force, until it is rolled back. */
  | ({
      readonly type: 'proven';
      readonly description: Description;
      /** `schemaKnowledge` of the database it was proven on; null where the target has none. */
      readonly schema: string | null;
    } & Change)
  /** In force in every process that comes to this holder, as long as it lives. */
  | { readonly type: 'held'; readonly trialId: string; readonly holder: ProcessIdentity }
  | { readonly type: 'released'; readonly trialId: string; readonly reason: string }
  /** The change is no longer in the target. */
  | { readonly type: 'rolled-back'; readonly trialId: string; readonly reason: string }
  /** An undo that failed; recovery tries it again until it succeeds. */
  | { readonly type: 'undo-failed'; readonly what: string; readonly problem: string }
  | { readonly type: 'run-closed'; readonly outcome: string };

/** A copy that goes away with the run, or what the user keeps. */
export type Where = 'arm' | 'target';

export interface DatabaseReference {
  readonly name: string;
  /** `databaseIdentity`: tells two databases of one name apart without telling where they are; null where the server refuses it. */
  readonly identity: string | null;
}

export interface Change {
  readonly trialId: string;
  readonly remedyId: string;
  readonly plan: Json;
}

export type Act =
  | { readonly kind: 'create-database'; readonly name: string; readonly source: string }
  | { readonly kind: 'drop-database'; readonly name: string }
  | { readonly kind: 'create-folder'; readonly path: string }
  | { readonly kind: 'remove-folder'; readonly path: string }
  | { readonly kind: 'start-process'; readonly role: string }
  | { readonly kind: 'stop-process'; readonly role: string; readonly identity: ProcessIdentity }
  | ({ readonly kind: 'apply'; readonly where: Where } & Change)
  | ({ readonly kind: 'revert'; readonly where: Where } & Change);

export type Entries = readonly LedgerEntry<LedgerEvent>[];

/** Runs that neither ended nor were recovered, oldest first. */
export function openRuns(entries: Entries): readonly string[] {
  const open = new Set<string>();
  for (const { run, event } of entries) {
    if (event.type === 'run-opened') open.add(run);
    if (event.type === 'run-closed') open.delete(run);
  }
  return [...open];
}

export interface KeptChange extends Change {
  readonly run: string;
  readonly at: string;
  readonly description: Description;
}

/** Changes that stand in the target, oldest first. */
export function keptChanges(entries: Entries): readonly KeptChange[] {
  const kept = new Map<string, KeptChange>();
  for (const { run, at, event } of withoutUndone(entries)) {
    if (event.type === 'kept') {
      const { trialId, remedyId, plan, description } = event;
      kept.set(trialId, { run, at, trialId, remedyId, plan, description });
    }
  }
  return [...kept.values()];
}

export interface ProvenPolicy extends KeptChange {
  readonly schema: string | null;
}

/** Policies that may be held, oldest first. */
export function provenPolicies(entries: Entries): readonly ProvenPolicy[] {
  const proven = new Map<string, ProvenPolicy>();
  for (const { run, at, event } of entries) {
    if (event.type === 'rolled-back') proven.delete(event.trialId);
    if (event.type !== 'proven') continue;
    const { trialId, remedyId, plan, description, schema } = event;
    proven.set(trialId, { run, at, trialId, remedyId, plan, description, schema });
  }
  return [...proven.values()];
}

/** Who holds which of them, as far as was written down; a holder that was killed could not say that it let go. */
export function holdersOf(entries: Entries): ReadonlyMap<string, readonly ProcessIdentity[]> {
  const holders = new Map<string, Map<string, ProcessIdentity>>();
  for (const { run, event } of entries) {
    if (event.type === 'held') {
      const ofTrial = holders.get(event.trialId) ?? new Map<string, ProcessIdentity>();
      holders.set(event.trialId, ofTrial.set(run, event.holder));
    }
    if (event.type === 'released') holders.get(event.trialId)?.delete(run);
  }
  return new Map([...holders].map(([trialId, ofTrial]) => [trialId, [...ofTrial.values()]]));
}

/** A revert that is done counts even when Anneal died before it could say `rolled-back`. */
function withoutUndone(entries: Entries): Entries {
  const undoneAt = new Map<string, number>();
  const intents = new Map(entries.map((entry) => [entry.sequence, entry.event]));
  for (const { sequence, event } of entries) {
    const announced = event.type === 'done' ? intents.get(event.intent) : undefined;
    if (event.type === 'rolled-back') undoneAt.set(event.trialId, sequence);
    if (announced?.type === 'intent' && announced.act.kind === 'revert' && announced.act.where === 'target') {
      undoneAt.set(announced.act.trialId, sequence);
    }
  }
  return entries.filter(({ sequence, event }) => event.type !== 'kept' || sequence > (undoneAt.get(event.trialId) ?? 0));
}
