import { Worker } from 'node:worker_threads';
import type { Observer } from './observer.ts';
import { PolicyFlag, sharedFlags } from './policies/flags.ts';
import { PoliciesInForce } from './policies/in-force.ts';
import { Profiler } from './profile.ts';
import { Recorder } from './recording.ts';
import { protocolVersion, type FromAgent, type ToAgent } from './protocol.ts';

/** What the thread that owns the socket says: Anneal's own messages, policies with the flag they were given, and what became of the socket. */
export type FromThread =
  | Exclude<ToAgent, { readonly type: 'apply-policy' | 'heartbeat' }>
  | (Extract<ToAgent, { readonly type: 'apply-policy' }> & { readonly slot: number })
  | { readonly type: 'opened' }
  | { readonly type: 'silent' }
  | { readonly type: 'closed' };

/** What that thread is told: messages for Anneal, and flags that nobody needs any more. */
export type ToThread = FromAgent | { readonly type: 'released'; readonly slot: number };

export interface ThreadSetup {
  readonly socketPath: string;
  readonly flags: Int32Array;
}

/**
 * The application's end of the channel. A thread of its own keeps the socket, so that a connection
 * is answered and large summaries are written while the application is busy. Neither keeps the
 * process alive. When the socket closes everything ends: observation, policies, profile.
 */
export class Channel {
  readonly #socketPath: string;
  readonly #observer: Observer;
  readonly #flags = sharedFlags();
  readonly #policies: PoliciesInForce;
  readonly #profiler: Profiler;
  readonly #recorder = new Recorder();
  #thread: Worker | null = null;

  constructor(socketPath: string, observer: Observer) {
    this.#socketPath = socketPath;
    this.#observer = observer;
    this.#profiler = new Profiler(observer);
    this.#policies = new PoliciesInForce({ observer, drivers: observer.drivers }, (slot) => this.#say({ type: 'released', slot }));
  }

  open(): void {
    if (this.#thread !== null) return;
    try {
      // Threads inherit `--import` from execArgv and NODE_OPTIONS; without both emptied this one would start itself again.
      const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
      const thread = new Worker(new URL(`./channel-thread.${extension}`, import.meta.url), {
        name: 'anneal-agent',
        execArgv: [],
        env: {},
        workerData: { socketPath: this.#socketPath, flags: this.#flags } satisfies ThreadSetup,
      });
      this.#thread = thread;
      thread.on('message', (message: FromThread) => void this.#receive(message));
      thread.on('error', () => this.#close());
      thread.on('exit', () => this.#close());
      thread.unref();
    } catch {
      this.#close();
    }
  }

  async #receive(message: FromThread): Promise<void> {
    try {
      await this.#carryOut(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#observer.problems.note(`${message.type}: ${reason}`);
      if ('id' in message) this.#say({ type: 'refused', replyTo: message.id, reason });
    }
  }

  async #carryOut(message: FromThread): Promise<void> {
    switch (message.type) {
      case 'opened':
        this.#say({
          type: 'hello',
          version: protocolVersion,
          pid: process.pid,
          nodeVersion: process.version,
          workingDirectory: process.cwd(),
          hooks: [...this.#observer.hooks],
        });
        this.#observer.switch(true);
        return;
      case 'silent':
        this.#policies.switchAllOff();
        this.#observer.problems.note('all policies went off: nothing was heard of Anneal');
        return;
      case 'closed':
        this.#close();
        return;
      case 'flush':
        this.#say({
          type: 'summary',
          replyTo: message.id,
          summary: { ...this.#observer.take(await this.#profiler.stop()), policies: this.#policies.take() },
        });
        return;
      case 'start-profile':
        await this.#profiler.start();
        this.#say({ type: 'done', replyTo: message.id });
        return;
      case 'apply-policy': {
        const reason = this.#policies.apply(
          message.policyId,
          message.policy,
          new PolicyFlag(this.#flags, message.slot),
          message.expiresAfterMs,
        );
        this.#confirm(message.id, reason);
        return;
      }
      case 'switch-policy':
        this.#confirm(message.id, this.#policies.switch(message.policyId, message.on));
        return;
      case 'toggle-policy': {
        const toggled = await this.#policies.toggle(message);
        if (typeof toggled === 'string') this.#confirm(message.id, toggled);
        else this.#say({ type: 'toggled', replyTo: message.id, blocks: toggled });
        return;
      }
      case 'inform-policy':
        this.#confirm(message.id, this.#policies.inform(message.policyId, message.news));
        return;
      case 'revoke-policy':
        this.#policies.revoke(message.policyId);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      case 'start-recording':
        this.#recorder.start(message.share, message.most);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      case 'stop-recording':
        this.#say({ type: 'recording', replyTo: message.id, ...this.#recorder.stop() });
        return;
      case 'list-policies':
        this.#say({ type: 'policies', replyTo: message.id, ids: this.#policies.ids() });
        return;
      case 'observe':
        this.#observer.switch(message.on);
        this.#say({ type: 'done', replyTo: message.id });
        return;
      default:
        this.#refuseUnknown(message);
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

  #say(message: ToThread): void {
    this.#thread?.postMessage(message);
  }

  #close(): void {
    this.#thread = null;
    this.#observer.switch(false);
    this.#policies.revokeAll();
    this.#recorder.stop();
    this.#profiler.stop().catch(() => undefined);
  }
}
