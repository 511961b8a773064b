import type { PolicySummary } from '../protocol.ts';
import { policyKinds, type Policy } from './index.ts';
import type { PolicyContext, PolicyKind, RunningPolicy } from './policy.ts';

interface Entry {
  readonly id: string;
  readonly policy: Policy;
  readonly running: RunningPolicy;
  readonly expiry: NodeJS.Timeout | null;
  on: boolean;
}

/** Changes of behaviour in force, each with its undo. All end when Anneal's socket closes. */
export class PoliciesInForce {
  readonly #context: PolicyContext;
  readonly #entries = new Map<string, Entry>();

  constructor(context: PolicyContext) {
    this.#context = context;
  }

  ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Null when in force, else why not. Ends by itself after `expiresAfterMs`, where that is given. */
  apply(id: string, policy: Policy, expiresAfterMs?: number): string | null {
    const kind = policyKinds.find((known) => known.kind === policy.kind) as PolicyKind<Policy> | undefined;
    if (kind === undefined) return `this agent does not know policies of kind ${String(policy.kind)}`;
    if (this.#entries.has(id)) return `the policy ${id} is already in force`;
    const others = [...this.#entries.values()].filter((entry) => entry.policy.kind === policy.kind);
    const running = kind.start(policy, this.#context, others);
    if (typeof running === 'string') return running;
    const expiry = expiresAfterMs === undefined ? null : setTimeout(() => this.revoke(id), expiresAfterMs).unref();
    this.#entries.set(id, { id, policy, running, expiry, on: true });
    return null;
  }

  /** Null when switched, else why not. Its state is let go each time it goes off. */
  switch(id: string, on: boolean): string | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return `the policy ${id} is not in force`;
    if (entry.on !== on) entry.running.switch(on);
    entry.on = on;
    return null;
  }

  revoke(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    if (entry.expiry !== null) clearTimeout(entry.expiry);
    entry.running.stop();
  }

  revokeAll(): void {
    for (const id of this.ids()) this.revoke(id);
  }

  take(): readonly PolicySummary[] {
    return [...this.#entries.values()].map(({ id, policy, on, running }) => ({
      id,
      kind: policy.kind,
      on,
      figures: running.take?.() ?? {},
    }));
  }
}
