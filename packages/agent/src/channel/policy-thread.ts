import { Worker } from 'node:worker_threads';
import type { FromAgent, ToAgent } from '../protocol.ts';

export type AboutPolicies = Extract<ToAgent, { readonly type: `${string}-policy` }>;

/** What the thread passes on: Anneal's own messages, policies with the flag they were given, and that nothing is heard of Anneal. */
export type Passed =
  | Exclude<ToAgent, { readonly type: 'apply-policy' | 'heartbeat' }>
  | (Extract<ToAgent, { readonly type: 'apply-policy' }> & { readonly slot: number })
  | { readonly type: 'silent' };

export type FromThread = Passed | { readonly type: 'opened' } | { readonly type: 'closed' };

/** What it is told: messages for Anneal, Anneal's that still came the former way, and flags that nobody needs any more. */
export type ToThread =
  | FromAgent
  | { readonly type: 'passed'; readonly message: AboutPolicies }
  | { readonly type: 'released'; readonly slot: number };

export interface ThreadSetup {
  readonly socketPath: string;
  /** Shows Anneal that it is this agent which goes on over another socket. */
  readonly key: string;
  readonly flags: Int32Array;
}

/**
 * Starts the thread that keeps the socket while there are policies, so that they go off while the application's thread
 * is busy. It does not keep the process alive. Resolves to what tells it something once the conversation goes on over its
 * socket, and rejects when that cannot be; `ended` is called when it is over after that.
 */
export function startPolicyThread(
  setup: ThreadSetup,
  passed: (message: Passed) => void,
  ended: () => void,
): Promise<(message: ToThread) => void> {
  return new Promise((resolve, reject) => {
    // Threads inherit `--import` from execArgv and NODE_OPTIONS; without both emptied this one would start the agent again.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const thread = new Worker(new URL(`./channel-thread.${extension}`, import.meta.url), {
      name: 'anneal-agent',
      execArgv: [],
      env: {},
      workerData: setup,
    });
    let opened = false;
    const over = () => {
      if (opened) ended();
      else reject(new Error('the thread that policies need could not reach Anneal'));
      opened = false;
    };
    thread.on('message', (message: FromThread) => {
      if (message.type === 'opened') {
        opened = true;
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
        resolve((told) => thread.postMessage(told));
      } else if (message.type === 'closed') over();
      else passed(message);
    });
    thread.on('error', over);
    thread.on('exit', over);
    thread.unref();
  });
}
