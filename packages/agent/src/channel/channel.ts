import { randomUUID } from 'node:crypto';
import { protocolVersion } from './agreed.ts';
import { openLine, type Line } from './line.ts';
import type { Observer } from '../observer.ts';
import { PolicyFlag, sharedFlags } from '../policies/flags.ts';
import type { PoliciesInForce } from '../policies/in-force.ts';
import type { StandingPolicies } from '../policies/standing.ts';
import { startPolicyThread, type AboutPolicies, type Passed, type ToThread } from './policy-thread.ts';
import type { Profiler } from '../process/profile.ts';
import type { FromAgent, PolicySummary, ProfileSummary, ToAgent } from '../protocol.ts';
import { Recorder } from '../requests/recording.ts';

export interface Circumstances {
  /** Somebody else reads what is observed: it goes on when the conversation is over. */
  readonly observesAnyway?: boolean;
  /** The conversation is over, or none came about; another may be opened. */
  readonly ended?: () => void;
}

/** What there is besides once a policy was asked for. */
interface Acting {
  readonly tell: (message: ToThread) => void;
  readonly flags: Int32Array;
  readonly policies: PoliciesInForce;
}

/**
 * The application's end of the channel. To observe, a socket of the application's own thread will do. Policies must go
 * off while that thread is busy: with the first of them come the code that carries them out and a thread of its own, to
 * which the conversation moves; some 14 MB that an application which is only observed does not pay. Neither socket
 * keeps the process alive. When the conversation is over everything ends: observation, policies, profile.
 */
export class Channel {
  readonly #socketPath: string;
  readonly #observer: Observer;
  readonly #standing: StandingPolicies | null;
  readonly #circumstances: Circumstances;
  readonly #key = randomUUID();
  readonly #recorder = new Recorder();
  #line: Line | null = null;
  #profiler: Promise<Profiler> | null = null;
  #moving: Promise<Acting> | null = null;
  #acting: Acting | null = null;

  constructor(socketPath: string, observer: Observer, standing: StandingPolicies | null, circumstances: Circumstances = {}) {
    this.#socketPath = socketPath;
    this.#observer = observer;
    this.#standing = standing;
    this.#circumstances = circumstances;
  }

  /** What the policies in force did since last asked. */
  take(): readonly PolicySummary[] {
    return this.#acting?.policies.take() ?? [];
  }

  /** Begins a conversation, unless there is one. */
  open(): void {
    if (this.#line !== null || this.#moving !== null) return;
    const line = openLine(this.#socketPath, {
      opened: () => {
        this.#say({
          type: 'hello',
          key: this.#key,
          version: protocolVersion,
          pid: process.pid,
          nodeVersion: process.version,
          workingDirectory: process.cwd(),
          hooks: [...this.#observer.hooks],
        });
        this.#observer.switch(true);
      },
      heard: (message) => {
        if (message.type === 'heartbeat') return;
        void this.#answer(message, () => (isAboutPolicies(message) ? this.#passOn(message) : this.#carryOut(message)));
      },
      closed: () => {
        this.#line = null;
        // Once the thread has taken over, Anneal closes this one.
        if (this.#moving === null) this.#close();
      },
    });
    line.unref();
    this.#line = line;
  }

  async #answer(message: { readonly type: string; readonly id?: number }, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#observer.problems.note(`${message.type}: ${reason}`);
      if (message.id !== undefined) this.#say({ type: 'refused', replyTo: message.id, reason });
    }
  }

  /** They reach the thread, and come back from it, in the order in which they were sent. */
  async #passOn(message: AboutPolicies): Promise<void> {
    const { tell } = await (this.#moving ??= this.#move());
    tell({ type: 'passed', message });
  }

  async #move(): Promise<Acting> {
    try {
      const { PoliciesInForce: InForce } = await import('../policies/in-force.ts');
      const flags = sharedFlags();
      const tell = await startPolicyThread(
        { socketPath: this.#socketPath, key: this.#key, flags },
        (message) => void this.#answer(message, () => this.#carryOutPassed(message)),
        () => this.#close(),
      );
      const context = { observer: this.#observer, drivers: this.#observer.drivers };
      const surroundings = {
        released: (slot: number) => tell({ type: 'released', slot }),
        ended: (sentence: string) => this.#observer.problems.note(sentence),
        beside: () => this.#standing?.all() ?? [],
      };
      this.#acting = { tell, flags, policies: new InForce(context, surroundings) };
      return this.#acting;
    } catch (error) {
      // Observation goes on over the socket there was, if it is still there.
      this.#moving = null;
      if (this.#line === null) this.#close();
      throw error;
    }
  }

  async #carryOutPassed(message: Passed): Promise<void> {
    if (message.type !== 'silent' && !isAboutPolicies(message)) return this.#carryOut(message);
    return this.#acting === null ? undefined : this.#act(this.#acting, message);
  }

  async #act({ policies, flags }: Acting, message: Extract<Passed, { readonly type: 'silent' | `${string}-policy` }>): Promise<void> {
    switch (message.type) {
      case 'silent':
        policies.switchAllOff();
        this.#observer.problems.note('all policies went off: nothing was heard of Anneal');
        return;
      case 'apply-policy': {
        const { policyId, policy, slot } = message;
        this.#confirm(message.id, policies.apply(policyId, policy, new PolicyFlag(flags, slot), message));
        return;
      }
      case 'switch-policy':
        this.#confirm(message.id, policies.switch(message.policyId, message.on));
        return;
      case 'toggle-policy': {
        const toggled = await policies.toggle(message);
        if (typeof toggled === 'string') this.#confirm(message.id, toggled);
        else this.#say({ type: 'toggled', replyTo: message.id, blocks: toggled });
        return;
      }
      case 'inform-policy':
        this.#confirm(message.id, policies.inform(message.policyId, message.news));
        return;
      case 'revoke-policy':
        policies.revoke(message.policyId);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      default:
        this.#refuseUnknown(message);
    }
  }

  async #carryOut(message: Exclude<ToAgent, AboutPolicies | { readonly type: 'heartbeat' }>): Promise<void> {
    switch (message.type) {
      case 'flush': {
        const profile = await this.#takenProfile();
        const policies = [...(this.#standing?.take() ?? []), ...this.take()];
        const summary = { ...this.#observer.take(profile), policies };
        this.#say({ type: 'summary', replyTo: message.id, summary });
        return;
      }
      case 'start-profile': {
        await (await this.#profiling()).start();
        this.#say({ type: 'done', replyTo: message.id });
        return;
      }
      case 'start-recording':
        this.#recorder.start(message.share, message.most);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      case 'stop-recording':
        this.#say({ type: 'recording', replyTo: message.id, ...this.#recorder.stop() });
        return;
      case 'list-policies':
        this.#say({ type: 'policies', replyTo: message.id, ids: this.#acting?.policies.ids() ?? [] });
        return;
      case 'observe':
        this.#observer.switch(message.on);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      default:
        this.#refuseUnknown(message);
    }
  }

  #profiling(): Promise<Profiler> {
    return (this.#profiler ??= import('../process/profile.ts').then(({ Profiler: V8Profiler }) => new V8Profiler(this.#observer)));
  }

  /** Null where none was started; one that was lost is a problem, and no reason to lose the rest of the summary. */
  async #takenProfile(): Promise<ProfileSummary | null> {
    try {
      return (await (await this.#profiler)?.stop()) ?? null;
    } catch (error) {
      this.#observer.problems.note(`no profile was taken: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  /** A newer Anneal may ask for what this agent cannot do. */
  #refuseUnknown(message: never): void {
    const { id, type } = message as { readonly id?: unknown; readonly type?: unknown };
    if (typeof id === 'number') this.#say({ type: 'refused', replyTo: id, reason: `this agent does not know the message ${String(type)}` });
  }

  #confirm(id: number, reasonAgainst: string | null): void {
    this.#say(reasonAgainst === null ? { type: 'done', replyTo: id } : { type: 'refused', replyTo: id, reason: reasonAgainst });
  }

  #say(message: FromAgent): void {
    if (this.#acting === null) this.#line?.say(message);
    else this.#acting.tell(message);
  }

  #close(): void {
    if (this.#circumstances.observesAnyway !== true) this.#observer.switch(false);
    this.#acting?.policies.revokeAll();
    this.#acting = null;
    this.#moving = null;
    this.#recorder.stop();
    this.#profiler?.then((profiler) => profiler.close()).catch(() => undefined);
    this.#profiler = null;
    this.#circumstances.ended?.();
  }
}

function isAboutPolicies<Message extends { readonly type: string }>(
  message: Message,
): message is Extract<Message, { readonly type: `${string}-policy` }> {
  return message.type.endsWith('-policy');
}
