import type { PolicySummary, ToggledBlock, Toggling } from '../protocol.ts';
import type { PolicyFlag } from './flags.ts';
import { problemWith } from './forms.ts';
import { policyKinds, type Policy } from './index.ts';
import type { InForce, PolicyContext, PolicyTerms, RunningPolicy } from './policy.ts';
import { drawOf } from './share.ts';
import { refuseToggling, runBlocks } from './toggle.ts';

interface Entry {
  readonly id: string;
  readonly policy: Policy;
  readonly running: RunningPolicy;
  readonly flag: PolicyFlag;
  readonly expiry: NodeJS.Timeout | null;
  readonly share: number;
  /** Null where it does not have to know of every request. */
  readonly letPassAgain: (() => void) | null;
  on: boolean;
}

/** Timers of Node hold 31 bits; what is longer would be over at once. */
const longestTimerMs = 2 ** 31 - 1;

/** What is told to whoever put them in force, and what of others stands beside them. */
export interface Surroundings {
  /** This flag has no policy any more. */
  readonly released: (slot: number) => void;
  /** A policy ended by itself. */
  readonly ended: (sentence: string) => void;
  /** In force on somebody else's word: two of a kind must know of each other. */
  readonly beside: () => readonly InForce<Policy>[];
}

/** Changes of behaviour in force, each with its undo. */
export class PoliciesInForce {
  readonly #context: PolicyContext;
  readonly #surroundings: Surroundings;
  readonly #entries = new Map<string, Entry>();
  #toggling: { readonly id: string | null; readonly abort: AbortController } | null = null;

  constructor(context: PolicyContext, surroundings: Surroundings) {
    context.observer.actsToo();
    this.#context = context;
    this.#surroundings = surroundings;
  }

  all(): readonly InForce<Policy>[] {
    return [...this.#entries.values()].map(({ id, policy }) => ({ id, policy }));
  }

  ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Null when in force, else why not. */
  apply(id: string, policy: Policy, flag: PolicyFlag, terms: PolicyTerms = {}): string | null {
    let started = false;
    try {
      const reasonAgainst = this.#start(id, policy, flag, terms);
      started = reasonAgainst === null;
      return reasonAgainst;
    } finally {
      if (!started) this.#surroundings.released(flag.slot);
    }
  }

  /** Null when switched, else why not. Its state is let go each time it goes off. */
  switch(id: string, on: boolean): string | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return `the policy ${id} is not in force`;
    this.#endToggling(id, `the policy ${id} was switched`);
    this.#set(entry, on);
    return null;
  }

  /** Null when told, else why not. */
  inform(id: string, news: unknown): string | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return `the policy ${id} is not in force`;
    entry.running.receive?.(news);
    return null;
  }

  /** For when nobody is there to watch them: they stay in force, and off until they are switched on again. */
  switchAllOff(): void {
    for (const id of this.ids()) this.switch(id, false);
  }

  /** Switches a policy (or, for the noise floor, nothing) on and off in blocks; afterwards it is as it was. Why not, where a sentence comes back. */
  async toggle(toggling: Toggling): Promise<readonly ToggledBlock[] | string> {
    const id = toggling.policyId;
    const entry = id === null ? null : this.#entries.get(id);
    if (entry === undefined) return `the policy ${String(id)} is not in force`;
    const refused = refuseToggling(toggling);
    if (refused !== null) return refused;
    if (this.#toggling !== null) return 'another policy is being toggled';
    const abort = new AbortController();
    this.#toggling = { id, abort };
    const before = entry?.on ?? false;
    const states = {
      switchTo: (on: boolean) => entry !== null && this.#set(entry, on),
      // What the channel's thread has forbidden is off whatever this thread wants.
      holds: () => entry === null || entry.flag.on === entry.on,
    };
    try {
      return await runBlocks(toggling, states, abort.signal);
    } catch (error) {
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
      return reason instanceof Error ? reason.message : String(reason);
    } finally {
      this.#toggling = null;
      if (entry !== null && !abort.signal.aborted) this.#set(entry, before);
    }
  }

  revoke(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#endToggling(id, `the policy ${id} ended`);
    this.#entries.delete(id);
    if (entry.expiry !== null) clearTimeout(entry.expiry);
    entry.letPassAgain?.();
    entry.flag.retire();
    this.#surroundings.released(entry.flag.slot);
    try {
      entry.running.stop();
    } catch (error) {
      // It ends from a timer or with the socket: there is nobody above who could be told.
      this.#context.observer.problems.note(`the policy ${id} did not end cleanly: ${String(error)}`);
    }
  }

  revokeAll(): void {
    this.#toggling?.abort.abort('the connection was closed');
    for (const id of this.ids()) this.revoke(id);
  }

  take(): readonly PolicySummary[] {
    return [...this.#entries.values()].map(({ id, policy, flag, share, running }) => ({
      id,
      kind: policy.kind,
      on: flag.on,
      ...(share === 1 ? {} : { share }),
      figures: running.take?.() ?? {},
    }));
  }

  #start(id: string, policy: Policy, flag: PolicyFlag, { share = 1, expiresAfterMs }: PolicyTerms): string | null {
    const kind = policyKinds.find((known) => known.kind === policy.kind);
    if (kind === undefined) return `this agent does not know policies of kind ${policy.kind}`;
    if (this.#entries.has(id)) return `the policy ${id} is already in force`;
    const unusable = problemWith(policy);
    if (unusable !== null) return unusable;
    if (!(share > 0 && share <= 1)) return `a share of the traffic is above 0 and up to 1, not ${share}`;
    if (share < 1 && kind.actsOn === 'process')
      return `a policy of kind ${kind.kind} changes one thing for all requests of the process: it cannot be given a share of them`;
    if (expiresAfterMs !== undefined && !(expiresAfterMs > 0)) return `a policy cannot end ${expiresAfterMs} ms after it began`;
    const others = [...this.#surroundings.beside(), ...this.all()].filter((other) => other.policy.kind === policy.kind);
    const running = kind.start(policy, this.#context, others, {
      get on() {
        return flag.on;
      },
      draw: drawOf(share),
      end: (reason) => {
        flag.want(false);
        this.#surroundings.ended(`the policy ${id} ended: ${reason}`);
        this.revoke(id);
      },
    });
    if (typeof running === 'string') {
      flag.retire();
      return running;
    }
    flag.want(true);
    const expiry =
      expiresAfterMs === undefined ? null : setTimeout(() => this.#expire(id), Math.min(expiresAfterMs, longestTimerMs)).unref();
    // Of a request that is let pass nobody could say afterwards whether it was drawn.
    const letPassAgain = share === 1 ? null : this.#context.observer.openEvery();
    this.#entries.set(id, { id, policy, running, flag, expiry, share, letPassAgain, on: true });
    return null;
  }

  #expire(id: string): void {
    this.#surroundings.ended(`the policy ${id} ended: the time that it was given was over`);
    this.revoke(id);
  }

  #set(entry: Entry, on: boolean): void {
    if (entry.on === on) return;
    entry.on = on;
    // On only once it is ready, off before it lets go of what it holds.
    if (!on) entry.flag.want(false);
    entry.running.switch(on);
    if (on) entry.flag.want(true);
  }

  #endToggling(id: string, reason: string): void {
    if (this.#toggling?.id === id) this.#toggling.abort.abort(reason);
  }
}
