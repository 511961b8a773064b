import { AnnealError } from '../errors.ts';
import type { AgentControl } from '../ports/agent.ts';
import type { ChangeListener, ChangeStreams } from '../ports/change-stream.ts';
import type { Clock } from '../ports/clock.ts';
import type { Sql } from '../ports/sql.ts';
import type { ActContext, Json, Remedy } from '../remedy/remedy.ts';
import { ArmChanges } from './arm-changes.ts';

/** A proven policy, to be in force in every process of the target that comes. */
export interface PolicyToHold {
  readonly trialId: string;
  readonly title: string;
  readonly remedy: Remedy;
  readonly plan: Json;
}

interface HoldingContext {
  readonly changes: ChangeStreams;
  readonly clock: Clock;
  readonly databaseUrl: string | null;
  /** Reads the target's database; null when it has none, or does not answer now. */
  readonly sql: () => Sql | null;
  /** How long what is put in force now may be; null: as long as it is held. */
  readonly leftMs: () => number | null;
  readonly tell: (sentence: string, level: 'good' | 'warning') => void;
  /** It failed or answered wrongly in one of the processes, and is in force in none any more. */
  readonly endedByItself: (policy: PolicyToHold, reason: string) => Promise<void>;
}

export interface HeldOutcome {
  readonly trialId: string;
  readonly title: string;
  /** Null when it was in force until the end. */
  readonly ended: string | null;
  /** Processes that it was in force in. */
  readonly processes: number;
  /** What it did, summed over the processes that were there at the end; names carry their units. */
  readonly figures: Readonly<Record<string, number>>;
}

interface HeldProcess {
  readonly agent: AgentControl;
  readonly streams: ArmChanges | null;
  /** From before they are put in force until all of them that Anneal keeps is taken away. */
  readonly inForce: Set<string>;
  /** The agent has ended them already: before they may be in force again they have to be taken away whole. */
  readonly revoked: Set<string>;
  /** Why a policy could not be put in force yet, told once. */
  readonly told: Set<string>;
}

/** A lost stream is taken up again: until then the agent answers nothing from memory. */
const resumeAfterMs = 1_000;

/**
 * Keeps policies in force in every process that comes, and is their dead-man switch: they go off when this process ends, and
 * when it falls silent. What it is asked for is carried out in order; taking away does not wait for its turn.
 */
export class PolicyHolder {
  readonly #policies: readonly PolicyToHold[];
  readonly #context: HoldingContext;
  readonly #processes = new Map<AgentControl, HeldProcess>();
  readonly #ended = new Map<string, string>();
  readonly #reached = new Map<string, number>();
  /** Why those that rest on the schema are not in force now; null: nothing is in the way. */
  #doubt: string | null = null;
  #work: Promise<void> = Promise.resolve();
  #looking = false;

  constructor(policies: readonly PolicyToHold[], context: HoldingContext) {
    this.#policies = policies;
    this.#context = context;
  }

  /** Whether any may still be in force. */
  get holdsAny(): boolean {
    return this.#policies.some(({ trialId }) => !this.#ended.has(trialId));
  }

  came(agent: AgentControl, gone: Promise<void>): void {
    const { changes, databaseUrl } = this.#context;
    const streams = databaseUrl === null ? null : new ArmChanges(changes, databaseUrl);
    const process: HeldProcess = { agent, streams, inForce: new Set(), revoked: new Set(), told: new Set() };
    this.#processes.set(agent, process);
    void gone.then(() => this.#left(process));
    if (this.#processes.size > 1) void this.#takeAway(({ remedy }) => remedy.aloneInProcess === true);
    void this.#settle();
  }

  /** Once a second: what could not be put in force is tried again, what ended by itself ends everywhere, what a silence switched off goes on. */
  async look(): Promise<void> {
    // An agent that is slow to answer is not asked twice.
    if (this.#looking) return;
    this.#looking = true;
    await this.#next(async () => {
      await this.#each((process, policy) => this.#lookAt(process, policy));
      await this.#settleNow();
    });
    this.#looking = false;
  }

  /** For good, at once and in every process. */
  async end(trialId: string, reason: string): Promise<void> {
    if (this.#ended.has(trialId)) return;
    this.#ended.set(trialId, reason);
    await this.#takeAway((policy) => policy.trialId === trialId);
    void this.#settle();
  }

  /** Those that rest on the schema are only in force while it is known; null: it is. */
  async doubt(reason: string | null): Promise<void> {
    this.#doubt = reason;
    if (reason !== null) await this.#takeAway(({ remedy }) => remedy.restsOnSchema === true);
    void this.#settle();
  }

  /** Everything off, then what it was. Processes stay as they are without it. */
  async release(): Promise<readonly HeldOutcome[]> {
    await this.#each(async ({ agent }, { remedy, plan }) => {
      const id = remedy.toggles?.(plan);
      if (id !== undefined) await agent.switch(id, false);
    });
    const summaries = await Promise.all([...this.#processes.keys()].map((agent) => agent.flush().catch(() => null)));
    const stillHeld = new Map(this.#ended);
    for (const { trialId } of this.#policies) this.#ended.set(trialId, 'let go');
    await this.#takeAway(() => true);
    await this.#work;
    await this.#settleNow();
    for (const { streams } of this.#processes.values()) await streams?.close();
    return this.#policies.map(({ trialId, title, remedy, plan }) => {
      const id = remedy.toggles?.(plan);
      const figures: Record<string, number> = {};
      for (const policy of summaries.flatMap((summary) => summary?.policies ?? [])) {
        if (policy.id !== id) continue;
        for (const [name, value] of Object.entries(policy.figures)) figures[name] = (figures[name] ?? 0) + value;
      }
      return { trialId, title, ended: stillHeld.get(trialId) ?? null, processes: this.#reached.get(trialId) ?? 0, figures };
    });
  }

  #whyNot({ trialId, remedy }: PolicyToHold): string | null {
    const ended = this.#ended.get(trialId);
    if (ended !== undefined) return ended;
    if (remedy.restsOnSchema === true && this.#doubt !== null) return this.#doubt;
    return remedy.aloneInProcess === true && this.#processes.size > 1 ? `${this.#processes.size} processes serve` : null;
  }

  #settle(): Promise<void> {
    return this.#next(() => this.#settleNow());
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    return this.#work;
  }

  #settleNow(): Promise<void> {
    return this.#each(async (process, policy) => {
      const { inForce, revoked } = process;
      const { trialId } = policy;
      if (inForce.has(trialId) && (this.#whyNot(policy) !== null || revoked.has(trialId))) await this.#revert(process, policy);
      if (!inForce.has(trialId) && this.#whyNot(policy) === null) await this.#apply(process, policy);
    });
  }

  /** Processes side by side, the policies of each in their order. A process that has gone is no error. */
  async #each(work: (process: HeldProcess, policy: PolicyToHold) => Promise<void>): Promise<void> {
    const inOrder = async (process: HeldProcess) => {
      for (const policy of this.#policies) await work(process, policy);
    };
    await Promise.all(
      [...this.#processes.values()].map((process) =>
        inOrder(process).catch((error: unknown) => {
          if (!isGone(error)) this.#tellOnce(process, messageOf(error));
        }),
      ),
    );
  }

  /** At once, in the agents; what Anneal itself keeps for them is taken away in its turn. */
  async #takeAway(meant: (policy: PolicyToHold) => boolean): Promise<void> {
    await this.#each(async ({ agent, inForce, revoked }, policy) => {
      const id = policy.remedy.toggles?.(policy.plan);
      if (id === undefined || !meant(policy) || !inForce.has(policy.trialId)) return;
      revoked.add(policy.trialId);
      await agent.revoke(id);
    });
  }

  async #apply(process: HeldProcess, policy: PolicyToHold): Promise<void> {
    const { agent, inForce, revoked } = process;
    const { trialId, title, remedy, plan } = policy;
    // Before it is: who takes it away meanwhile must not think that there is nothing to take.
    inForce.add(trialId);
    revoked.delete(trialId);
    try {
      await remedy.apply(plan, this.#actOn(process));
    } catch (error) {
      inForce.delete(trialId);
      if (isGone(error)) throw error;
      // A driver may be loaded, or a pool made, with the first request that needs it.
      this.#tellOnce(process, `${title}: not in force in process ${agent.hello.pid} yet: ${messageOf(error)}`);
      return;
    }
    this.#reached.set(trialId, (this.#reached.get(trialId) ?? 0) + 1);
    this.#context.tell(`${title}: in force in process ${agent.hello.pid}`, 'good');
  }

  async #revert(process: HeldProcess, policy: PolicyToHold): Promise<void> {
    await policy.remedy.revert(policy.plan, this.#actOn(process));
    process.inForce.delete(policy.trialId);
    const reason = this.#whyNot(policy);
    this.#context.tell(`${policy.title}: off in process ${process.agent.hello.pid}${reason === null ? '' : `: ${reason}`}`, 'warning');
  }

  #actOn({ agent, streams }: HeldProcess): ActContext {
    const { sql, leftMs } = this.#context;
    const left = leftMs();
    return {
      agent,
      sql: sql(),
      // The agent's own end of it is the backstop of the holder's, and comes after it.
      ...(left === null || left > longestExpiryMs ? {} : { expiresAfterMs: Math.ceil(left) + backstopMs }),
      ...(streams === null ? {} : { changes: (id, listener) => this.#follow(streams, id, listener) }),
    };
  }

  async #lookAt(process: HeldProcess, policy: PolicyToHold): Promise<void> {
    const { agent, inForce, revoked } = process;
    const { trialId, remedy, plan } = policy;
    const isHeld = () => inForce.has(trialId) && !revoked.has(trialId) && this.#whyNot(policy) === null;
    if (!isHeld()) return;
    const id = remedy.toggles?.(plan);
    if (id === undefined ? (await remedy.inspect(plan, this.#actOn(process))) !== 'absent' : await isSwitchedOn(agent, id)) return;
    // It may have been taken away since the question was asked.
    if (!isHeld()) return;
    const { problems } = await agent.flush();
    const reason = problems.find((problem) => id !== undefined && problem.startsWith(`the policy ${id} ended`)) ?? 'it ended by itself';
    // Not awaited: what is going on here is in the way of what it waits for.
    this.end(trialId, reason)
      .then(() => this.#context.endedByItself(policy, reason))
      .catch((error: unknown) => this.#tellOnce(process, messageOf(error)));
  }

  async #left(process: HeldProcess): Promise<void> {
    this.#processes.delete(process.agent);
    this.#context.tell(`process ${process.agent.hello.pid} has gone`, 'warning');
    await process.streams?.close().catch(() => undefined);
    await this.#settle();
  }

  async #follow(streams: ArmChanges, policyId: string, listener: ChangeListener | null): Promise<void> {
    await streams.follow(policyId, listener === null ? null : this.#resuming(streams, policyId, listener));
  }

  #resuming(streams: ArmChanges, policyId: string, listener: ChangeListener): ChangeListener {
    const isWanted = () => [...this.#processes.values()].some((process) => process.streams === streams && this.#holds(process, policyId));
    const resume = async () => {
      await this.#context.clock.sleep(resumeAfterMs);
      if (!isWanted()) return;
      await streams.follow(policyId, this.#resuming(streams, policyId, listener)).catch(resume);
    };
    return {
      ...listener,
      lost: (reason) => {
        listener.lost(reason);
        this.#context.tell(`the database's log is not followed, and nothing that rests on it is kept: ${reason}`, 'warning');
        void resume();
      },
    };
  }

  #holds(process: HeldProcess, policyId: string): boolean {
    return this.#policies.some(({ trialId, remedy, plan }) => process.inForce.has(trialId) && remedy.toggles?.(plan) === policyId);
  }

  #tellOnce(process: HeldProcess, sentence: string): void {
    if (process.told.has(sentence)) return;
    process.told.add(sentence);
    this.#context.tell(sentence, 'warning');
  }
}

/** So long after the holder's own end. */
const backstopMs = 1_000;

/** Timers of Node hold 31 bits: beyond three weeks the holder alone looks at the time. */
const longestExpiryMs = 2 ** 31 - 1 - backstopMs;

/** After a silence of ours the agent keeps its policies off until it is told. False where it is not in force any more. */
async function isSwitchedOn(agent: AgentControl, id: string): Promise<boolean> {
  try {
    await agent.switch(id, true);
    return true;
  } catch (error) {
    if (error instanceof AnnealError && error.code === 'ANNEAL_POLICY_REFUSED') return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof AnnealError && error.code === 'ANNEAL_AGENT_LOST';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
