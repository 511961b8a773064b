import type { Drivers } from '../statements/drivers.ts';
import type { Observer } from '../observer.ts';
import type { Draw } from './share.ts';

/** What a kind of policy may use of the agent. */
export interface PolicyContext {
  readonly observer: Observer;
  /** The loaded drivers' prototypes: a policy wraps their methods outside of what observes them, and only while it is in force. */
  readonly drivers: Drivers;
}

/** On what terms a policy is in force; everything, and without an end of its own, where nothing is said. */
export interface PolicyTerms {
  /** Of the requests that it meets, drawn one by one: above 0, up to 1. */
  readonly share?: number | undefined;
  /** It ends by itself after so long, whoever is still there and whoever is not. */
  readonly expiresAfterMs?: number | undefined;
}

/** A change of behaviour that can be carried out in this process. One file each, one line in `index.ts`. */
export interface PolicyKind<Policy extends { readonly kind: string }> {
  readonly kind: Policy['kind'];
  /**
   * Of what it can be given a share: `requests`, drawn one by one. `process`: of nothing, because what it changes is one thing
   * for all requests of the process.
   */
  readonly actsOn: 'requests' | 'process';
  /** Puts the policy in force, or says in a sentence why not and has changed nothing. `others` are those of the kind in force already. */
  start(policy: Policy, context: PolicyContext, others: readonly InForce<Policy>[], control: PolicyControl): RunningPolicy | string;
}

export interface InForce<Policy> {
  readonly id: string;
  readonly policy: Policy;
}

export interface PolicyControl {
  /**
   * For hot paths: goes off as soon as Anneal says so or is gone, before `switch(false)` is called when the thread
   * is busy. On once `start` has returned.
   */
  readonly on: boolean;
  /** Null: it acts on every request, and asks nobody which one it is. Otherwise whether it acts on this one (see `share.ts`). */
  readonly draw: Draw | null;
  /** The policy's own code failed, or it answered wrongly: it ends for good, and the next summary says why. */
  end(reason: string): void;
}

export interface RunningPolicy {
  /**
   * Off: traffic passes as if the policy were not there, at once, and what it holds (pending batches,
   * kept answers) is let go. Called many times a second while a gain is proven.
   */
  switch(on: boolean): void;
  /** For good: off, and every trace of it removed. */
  stop(): void;
  /** What Anneal sees from outside and the policy has to know; the policy's own type of message. */
  receive?(news: unknown): void;
  /** What it did since last asked, by name: hits, batches, refusals. Names carry their units. */
  take?(): Readonly<Record<string, number>>;
}
